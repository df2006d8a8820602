"""What a run is to measure, and how long that will take."""

from collections.abc import Iterable
from pathlib import Path

from llmdvfs.clock import unix_s
from llmdvfs.plan.cells import PlannedCell, PlannedLaunch
from llmdvfs.plan.past import past_cells, typical
from llmdvfs.plan.study import Study
from llmdvfs.records.counted import counted
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.places import PROGRESS
from llmdvfs.records.progress import ExpectedCell, RunProgress, length_in_words
from llmdvfs.records.spec import WorkloadSpec
from llmdvfs.records.store import read_record

S_PER_H = 3600.0
UNKNOWN_S = 60.0  # assumed for a load whose end is a number of requests or a trace's
OVERHEAD_S = 3.0  # per cell: starting the sampler, scraping counters, writing


def expected_progress(study: Study, pending: Iterable[PlannedLaunch]) -> RunProgress:
    """Return the missing cells with the time that each should take; server starts are not included."""
    taken_s: dict[tuple[str, str], float | None] = {}
    cells = []
    for launch in pending:
        num_gpus = study.deployments[launch.deployment].num_gpus
        for cell in launch.job.cells:
            own = (launch.deployment, cell.workload)
            if own not in taken_s:
                taken_s[own] = typical(past_cells(study.results, *own)).took_s
            known_s = taken_s[own]
            workload = launch.job.workloads[cell.workload]
            expected_s = planned_s(study.settings, workload) if known_s is None else known_s
            cells.append(ExpectedCell(cell.key, expected_s, num_gpus))
    return RunProgress(unix_s(), tuple(cells))


def awaited_launches(
    cells: Iterable[PlannedCell], pending: Iterable[PlannedLaunch], results: Path, *, is_main_process: bool
) -> frozenset[tuple[str, int]]:
    """Return deployment and number of the launches that wait to be measured, or some cell of them.

    A job that a cluster runs plans anew, when some of them have been measured: it goes by what the run has written down
    at its start.
    """
    if is_main_process or not (results / PROGRESS).exists():
        return frozenset((launch.deployment, launch.job.launch) for launch in pending)
    keys = {cell.key for cell in read_record(results / PROGRESS, RunProgress).cells}
    return frozenset((cell.id.deployment, cell.id.launch) for cell in cells if cell.key in keys)


def in_words(run: RunProgress) -> str:
    """Return the estimate as a sentence: `18 cells to measure: about 8 min and the server starts`.

    With GPU hours where there are GPUs.
    """
    length_s = sum(cell.expected_s for cell in run.cells)
    gpu_h = sum(cell.expected_s * cell.num_gpus for cell in run.cells) / S_PER_H
    gpus = f", {gpu_h:.2g} GPU hours," if gpu_h else ""
    return (
        f"{counted(len(run.cells), 'cell')} to measure: about {length_in_words(length_s)}{gpus} and the server starts"
    )


def planned_s(settings: MeasureSettings, workload: WorkloadSpec) -> float:
    """Return how long a cell takes by its workload: the load and the idle windows before and after it."""
    return (workload.duration_s or UNKNOWN_S) + 2 * settings.idle_s + OVERHEAD_S
