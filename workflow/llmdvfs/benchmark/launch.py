"""Measures the missing cells of one launch: servers start once, and end with the job however it ends."""

import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from llmdvfs.benchmark.as_planned import check_as_planned
from llmdvfs.benchmark.cell import measure_cell
from llmdvfs.benchmark.host_lock import host_lock, preparing, undisturbed
from llmdvfs.benchmark.look import first_look
from llmdvfs.benchmark.one_start import set_aside_other_starts
from llmdvfs.benchmark.progress import time_left
from llmdvfs.benchmark.results_lock import launch_lock
from llmdvfs.benchmark.shared_idle import idle_to_share
from llmdvfs.benchmark.store import clear_drafts, deliver, draft, is_finished, is_measured, measured_entry
from llmdvfs.benchmark.sweep.measure import SweepEnd, measure_sweep
from llmdvfs.benchmark.task import CellTask
from llmdvfs.benchmark.waiting import calibrate_waiting
from llmdvfs.errors import GpusNotRestored, LlmDvfsError, ServerDied, in_full, told_of
from llmdvfs.hosts.all_hosts import all_hosts
from llmdvfs.hosts.gpus import host_gpus
from llmdvfs.plan.prepared import is_prepared
from llmdvfs.plan.under_load import is_under_load
from llmdvfs.records.job import LaunchJob, LaunchRecord
from llmdvfs.records.places import RUN, cell_folder
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record
from llmdvfs.serving.deploy import deploy, prepare
from llmdvfs.serving.deployment import Deployment
from llmdvfs.serving.start import Start

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
    """Bring every cell of the job into the store, and link it to the cell's folder.

    A cell that fails does not end the launch: the others are measured, then CellsFailed tells of all that failed.
    GpusNotRestored ends it: what was measured before is delivered, and nothing more is measured. Another run that
    measures into the same results is waited for first, and what it has measured is not measured again. ConfigError is
    raised where something is to be measured and launch.json is not what the configuration gives.
    """
    with launch_lock(results, f"{launch.deployment.id}.launch-{job.launch}"):
        if job.one_start or not all(is_finished(results, cell.key) for cell in job.cells):
            check_as_planned(launch, job)
        if job.one_start:
            set_aside_other_starts(job, results)
        _measure_missing(launch, job, results)


def _measure_missing(launch: LaunchRecord, job: LaunchJob, results: Path) -> None:
    tasks = [CellTask(launch, job, cell, order) for order, cell in enumerate(job.cells)]
    missing = [task for task in tasks if not is_finished(results, task.cell.key)]
    if len(missing) < len(tasks):
        LOG.info("%d of %d cells are in the store already", len(tasks) - len(missing), len(tasks))
    try:
        failures = _measure_and_calibrate(missing, results) if missing else {}
    except GpusNotRestored:
        _deliver([task for task in tasks if is_finished(results, task.cell.key)], results)
        raise
    _deliver([task for task in tasks if task.cell.key not in failures], results)
    if failures:
        raise CellsFailed(failures, len(tasks))


def _measure_and_calibrate(tasks: Sequence[CellTask], results: Path) -> dict[str, str]:
    """Measure cells, and calibrate the client at their loads while no server runs; return the causes of failures.

    What a run that was killed has left uncalibrated comes first, and is not measured again.
    """
    cells = [task.cell for task in tasks]
    prepared: list[Start] = []
    unused = ExitStack()
    meanwhile = None
    if is_prepared(tasks[0].launch.deployment, tasks[0].job.settings):
        meanwhile = lambda: prepared.extend(unused.enter_context(_prepared(tasks[0], results)))  # noqa: E731
    # Twice: what was prepared ends before another launch has the host, also where the wait for it was interrupted.
    with unused, host_lock(shared=tasks[0].job.side_by_side, meanwhile=meanwhile), unused:
        calibrate_waiting(cells, results)
        try:
            missing = [task for task in tasks if not is_finished(results, task.cell.key)]
            failures = _measure_all(missing, results, prepared)
        except LlmDvfsError:
            calibrate_waiting(cells, results)
            raise
        calibrate_waiting(cells, results)
        return failures


def _deliver(tasks: Sequence[CellTask], results: Path) -> None:
    for task in tasks:
        deliver(results, task.cell.key, cell_folder(results, task.id))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Cells that are measured together: one by itself, or what is left of a sweep."""

    tasks: tuple[CellTask, ...]
    is_sweep: bool
    tries_left: int


def _measure_all(tasks: Sequence[CellTask], results: Path, prepared: list[Start]) -> dict[str, str]:
    """Measure cells, with fresh servers after a death; return the causes of those that failed, by key.

    prepared: the first start of the servers, if it was begun before; it is taken out of the list.

    GpusNotRestored is raised at once, and not counted as a failure of its cell: it would be one of every cell after it.
    """
    waiting = _grouped(tasks)
    failures: dict[str, str] = {}
    while waiting:
        first = prepared.pop() if prepared else None
        with _servers(waiting[0].tasks[0], results, first) as deployment, undisturbed():
            ready_s = time.monotonic()
            tried: list[CellTask] = []
            neighbour: CellTask | None = None
            while waiting:
                group = waiting.pop(0)
                end = _try_group(group, deployment, results, neighbour)
                neighbour = None if group.is_sweep or end.failures else group.tasks[-1]
                tried += group.tasks
                has_died = any(isinstance(cause, ServerDied) for _, cause in end.failures)
                again = list(end.untried)
                for task, cause in end.failures:
                    if isinstance(cause, ServerDied) and group.tries_left:
                        again.append(task)
                    else:
                        failures[task.cell.key] = f"{task.id.folder()}: {in_full(cause)}"
                if again:
                    in_order = tuple(sorted(again, key=lambda task: task.order_in_launch))
                    waiting.insert(0, replace(group, tasks=in_order, tries_left=group.tries_left - has_died))
                if has_died or (group.tasks[0].job.settings.fresh_servers and not end.failures):
                    break  # try what is left with fresh servers
            _tell_share(tried, time.monotonic() - ready_s, results)
    return failures


def _grouped(tasks: Sequence[CellTask]) -> list[_Waiting]:
    """Return what is measured together, in the order of the first of each."""
    groups: dict[str, list[CellTask]] = {}
    for task in tasks:
        shares = is_under_load(task.workload, task.job.settings)
        groups.setdefault(task.workload.id if shares else task.cell.key, []).append(task)
    return [
        _Waiting(tuple(own), is_under_load(own[0].workload, own[0].job.settings), own[0].job.settings.retries)
        for own in groups.values()
    ]


def _try_group(group: _Waiting, deployment: Deployment, results: Path, neighbour: CellTask | None) -> SweepEnd:
    """Measure into the store; return what is missing of it, where that is the cells' or the servers' doing.

    neighbour: the cell that these servers were measured in just before; None: there is none, or it failed.
    """
    if group.is_sweep:
        end = measure_sweep(group.tasks, deployment, results)
        for task, error in end.failures:
            _tell_more(error, results)
            LOG.info("%s: failed: %s", task.id.folder(), in_full(error))
        return end
    (task,) = group.tasks
    cause = _try_cell(task, deployment, results, neighbour)
    return SweepEnd(() if cause is None else ((task, cause),), ())


def _tell_share(tasks: Sequence[CellTask], held_s: float, results: Path) -> None:
    """Say how much of the time for which the servers, and their GPUs, were held was measured load."""
    runs = [
        read_record(measured_entry(results, key) / RUN, RunRecord)
        for key in dict.fromkeys(task.cell.key for task in tasks)
        if is_measured(results, key)
    ]
    load_s = sum(run.measured_load_s for run in runs)
    if held_s > 0:
        LOG.info(
            "%.0f of %.0f s with servers ready were measured load (%.0f %%)", load_s, held_s, 100 * load_s / held_s
        )


def _try_cell(task: CellTask, deployment: Deployment, results: Path, neighbour: CellTask | None) -> LlmDvfsError | None:
    """Measure one cell into the store; return why not, where that is the cell's or the servers' doing."""
    clear_drafts(results, task.cell.key)
    shared = idle_to_share(task, measured_entry(results, neighbour.cell.key)) if neighbour else None
    try:
        waits = task.job.settings.calibrate_client
        with draft(results, task.cell.key, task.cell.identity, waits=waits) as folder:
            measure_cell(task, deployment, folder, shared)
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
        LOG.info("  %s", first_look(measured_entry(results, task.cell.key)))
    except (LlmDvfsError, OSError, ValueError, KeyError) as error:
        LOG.info("  no first look: %s", error)
    if (left := time_left(results)) is not None:
        LOG.info("  %s", left)


def _tell_more(error: LlmDvfsError, results: Path) -> None:
    """Note on an error that the disk is full: whoever met that first could not write it down."""
    free_bytes = shutil.disk_usage(results).free
    if free_bytes < LITTLE_SPACE_BYTES:
        error.add_note(f"only {free_bytes / MIB:.1f} MiB are free in {results}: free some, and run again")


def _logs(task: CellTask, results: Path) -> Path:
    return results / "logs" / "servers" / f"{task.launch.deployment.id}.launch-{task.job.launch}"


@contextmanager
def _prepared(task: CellTask, results: Path) -> Iterator[list[Start]]:
    """Have the servers import what they need while another launch has the host; none where that fails."""
    launch, number = task.launch, task.job.launch
    with ExitStack() as stack:
        starts: list[Start] = []
        try:
            with preparing():
                LOG.info("%s launch %d: preparing servers", launch.deployment.id, number)
                logs = _logs(task, results)
                start = prepare(launch, logs=logs, results=results, progress=LOG.info, host_gpus=host_gpus)
                starts.append(stack.enter_context(start))
            LOG.info("%s launch %d: prepared, waiting", launch.deployment.id, number)
        except LlmDvfsError as error:
            LOG.info("%s launch %d: not prepared: %s", launch.deployment.id, number, in_full(error))
        except OSError as error:
            LOG.info("%s launch %d: not prepared: %s", launch.deployment.id, number, told_of(error))
        yield starts


@contextmanager
def _servers(task: CellTask, results: Path, prepared: Start | None) -> Iterator[Deployment]:
    launch, number = task.launch, task.job.launch
    LOG.info("%s launch %d: starting servers", launch.deployment.id, number)
    logs = _logs(task, results)
    endpoints = {workload.endpoint for workload in task.job.workloads.values()}
    with (
        all_hosts(launch, logs, results, LOG.info) as hosts,
        deploy(
            hosts.launch,
            logs=logs,
            results=results,
            progress=LOG.info,
            host_gpus=host_gpus,
            endpoints=endpoints,
            make_parts=hosts.parts if hosts.hosts else None,
            prepared=prepared,
        ) as deployment,
    ):
        LOG.info("%s launch %d: ready", launch.deployment.id, number)
        yield deployment
    LOG.info("%s launch %d: servers stopped", launch.deployment.id, number)
