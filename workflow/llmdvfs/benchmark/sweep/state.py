"""Writes down the state of a sweep after every step, so that a killed job loses only the step under way."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmdvfs.benchmark.store import is_measured
from llmdvfs.benchmark.sweep.cut import Span
from llmdvfs.benchmark.sweep.store_steps import store_steps
from llmdvfs.benchmark.sweep.sweep import Done, Sweep
from llmdvfs.benchmark.task import CellTask
from llmdvfs.errors import LlmDvfsError, in_full
from llmdvfs.records.run import ServerStart
from llmdvfs.records.store import read_record, write_record
from llmdvfs.records.under_load import StockProbe
from llmdvfs.serving.deployment import Deployment

LOG = logging.getLogger(__name__)
STATE = "sweep_state.json"


@dataclass(frozen=True, slots=True)
class SweepState:
    """Everything about a sweep that its recording does not tell."""

    id: str
    server_start: ServerStart
    gpu_indices: tuple[int, ...]
    proxy_log: Path | None
    entered_mono_ns: dict[str, int]
    idle_mono_ns: tuple[Span, ...]
    probe: StockProbe | None
    done: tuple[Done, ...]
    idle_at_points_w: dict[str, dict[str, float]] = field(default_factory=dict)


def write_state(sweep: Sweep) -> None:
    """Write the state into the sweep's folder, in place of the last one."""
    state = SweepState(
        id=sweep.id,
        server_start=sweep.deployment.server_start,
        gpu_indices=sweep.deployment.gpu_indices,
        proxy_log=sweep.deployment.proxy_log,
        entered_mono_ns=dict(sweep.entered_mono_ns),
        idle_mono_ns=tuple(sweep.idle_mono_ns),
        probe=sweep.probe,
        done=tuple(sweep.done),
        idle_at_points_w=sweep.idle_at_points_w,
    )
    write_record(sweep.folder / STATE, state)


def recover(tasks: Sequence[CellTask], results: Path, name: str) -> None:
    """Bring the steps that a killed job had finished into the store, as far as they are among the tasks.

    That job's servers are gone, and with them idle windows after the load. What cannot be read stays where it is, and
    that is said.
    """
    for folder in sorted((results / "drafts").glob(f"{name}.*")):
        if not (folder / STATE).exists():
            continue
        try:
            state = read_record(folder / STATE, SweepState)
            sweep = Sweep(
                tasks=[task for task in tasks if not is_measured(results, task.cell.key)],
                deployment=Deployment("", state.server_start, state.gpu_indices, state.proxy_log, {}),
                folder=folder,
                id=state.id,
                idle_mono_ns=list(state.idle_mono_ns),
                probe=state.probe,
                idle_at_points_w=state.idle_at_points_w,
                entered_mono_ns=state.entered_mono_ns,
            )
            wanted = {task.cell.key for task in sweep.tasks}
            sweep.done = [done for done in state.done if done.key in wanted]
            LOG.info("a job that was killed had measured %d of these points: they are taken over", len(sweep.done))
            store_steps(sweep, results)
        except (LlmDvfsError, OSError, ValueError) as error:
            LOG.warning("%s: its steps cannot be taken over: %s", folder, in_full(error))
