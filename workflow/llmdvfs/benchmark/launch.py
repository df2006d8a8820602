"""Measures the missing cells of one launch: servers start once, and end with the job however it ends."""

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.benchmark.cell import CellTask, measure_cell
from llmdvfs.benchmark.gpus import host_gpus
from llmdvfs.benchmark.host_lock import host_lock
from llmdvfs.benchmark.look import first_look
from llmdvfs.benchmark.progress import time_left
from llmdvfs.benchmark.store import clear_drafts, deliver, draft, is_finished
from llmdvfs.errors import GpusNotRestored, LlmDvfsError, ServerDied, in_full
from llmdvfs.records.job import LaunchJob, LaunchRecord
from llmdvfs.records.places import cell_folder, store_entry
from llmdvfs.serving.deploy import deploy
from llmdvfs.serving.deployment import Deployment

LOG = logging.getLogger(__name__)
MIB = 2**20
LITTLE_SPACE_BYTES = 16 * MIB  # what one cell records, and more


class CellsFailed(LlmDvfsError):
    """Some cells of a launch could not be measured; the others are in the store."""

    def __init__(self, causes: Mapping[str, str], num_cells: int) -> None:
        text = "\n  ".join(causes.values())
        super().__init__(f"{len(causes)} of {num_cells} cells failed; run again to measure them:\n  {text}")
        self.causes = causes
        """By key."""


def measure_launch(launch: LaunchRecord, job: LaunchJob, results: Path) -> None:
    """Bring every cell of the job into the store and link it to its folder.

    A cell that fails does not end the launch: the others are measured, then CellsFailed tells of all that failed.
    GpusNotRestored ends it: what was measured before is delivered, nothing more is measured.
    """
    tasks = [CellTask(launch, job, cell, order) for order, cell in enumerate(job.cells)]
    missing = [task for task in tasks if not is_finished(results, task.cell.key)]
    if len(missing) < len(tasks):
        LOG.info("%d of %d cells are in the store already", len(tasks) - len(missing), len(tasks))
    try:
        failures = _measure_all(missing, results) if missing else {}
    except GpusNotRestored:
        _deliver([task for task in tasks if is_finished(results, task.cell.key)], results)
        raise
    _deliver([task for task in tasks if task.cell.key not in failures], results)
    if failures:
        raise CellsFailed(failures, len(tasks))


def _deliver(tasks: Sequence[CellTask], results: Path) -> None:
    for task in tasks:
        deliver(results, task.cell.key, cell_folder(results, task.id))


def _measure_all(tasks: Sequence[CellTask], results: Path) -> dict[str, str]:
    """Measure cells, with fresh servers after a death; return the causes of those that failed, by key.

    GpusNotRestored is raised at once, and not counted as a failure of its cell: it would be one of every cell after it.
    """
    waiting = [(task, task.job.settings.retries) for task in tasks]
    failures: dict[str, str] = {}
    with host_lock():
        while waiting:
            with _servers(waiting[0][0], results) as deployment:
                while waiting:
                    task, tries_left = waiting.pop(0)
                    cause = _try_cell(task, deployment, results)
                    if cause is None and task.job.settings.fresh_servers:
                        break
                    if cause is None:
                        continue
                    if isinstance(cause, ServerDied) and tries_left:
                        waiting.insert(0, (task, tries_left - 1))
                    else:
                        failures[task.cell.key] = f"{task.id.folder()}: {in_full(cause)}"
                    if isinstance(cause, ServerDied):
                        break  # with fresh servers
    return failures


def _try_cell(task: CellTask, deployment: Deployment, results: Path) -> LlmDvfsError | None:
    """Measure one cell into the store; return why not, where that is the cell's or the servers' doing."""
    clear_drafts(results, task.cell.key)
    try:
        with draft(results, task.cell.key, task.cell.identity) as folder:
            measure_cell(task, deployment, folder, results)
    except GpusNotRestored:
        raise
    except LlmDvfsError as error:
        _tell_more(error, results)
        LOG.info("%s: failed: %s", task.id.folder(), in_full(error))
        return error
    LOG.info("%s: measured", task.id.folder())
    if sys.stdout.isatty():
        _tell(task, results)
    return None


def _tell(task: CellTask, results: Path) -> None:
    """Tell the person who watches what the cell gave and how much time is left; that must not cost the cell."""
    try:
        LOG.info("  %s", first_look(store_entry(results, task.cell.key)))
    except (LlmDvfsError, OSError, ValueError, KeyError) as error:
        LOG.info("  no first look: %s", error)
    if (left := time_left(results)) is not None:
        LOG.info("  %s", left)


def _tell_more(error: LlmDvfsError, results: Path) -> None:
    """Note on an error that the disk is full: whoever met that first could not write it down."""
    free_bytes = shutil.disk_usage(results).free
    if free_bytes < LITTLE_SPACE_BYTES:
        error.add_note(f"only {free_bytes / MIB:.1f} MiB are free in {results}: free some, and run again")


@contextmanager
def _servers(task: CellTask, results: Path) -> Iterator[Deployment]:
    launch, number = task.launch, task.job.launch
    LOG.info("%s launch %d: starting servers", launch.deployment.id, number)
    logs = results / "logs" / "servers" / f"{launch.deployment.id}.launch-{number}"
    with deploy(launch, logs=logs, results=results, progress=LOG.info, host_gpus=host_gpus) as deployment:
        LOG.info("%s launch %d: ready", launch.deployment.id, number)
        yield deployment
    LOG.info("%s launch %d: servers stopped", launch.deployment.id, number)
