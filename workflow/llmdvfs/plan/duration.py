"""How long a plan takes at least: what loads and idle windows last, which no machine can shorten."""

from collections.abc import Collection

from llmdvfs.plan.study import Study
from llmdvfs.records.spec import CellId, WorkloadSpec


def planned_time(study: Study, cells: Collection[CellId]) -> str:
    """Return in a sentence how many cells and server starts there are, and how long loads and idle windows take.

    Server starts, warm-up and the client's calibration come on top: they depend on the machine.
    """
    num_starts = len(cells) if study.settings.fresh_servers else len({(cell.deployment, cell.launch) for cell in cells})
    times_s = {cell: load_time_s(study.workloads[cell.workload]) for cell in cells}
    known_s = sum(2 * study.settings.idle_s + (time_s or 0) for time_s in times_s.values())
    open_ended = sum(time_s is None for time_s in times_s.values())
    beside = f", beside those of {_count(open_ended, 'cell')} that end by their requests," if open_ended else ""
    return (
        f"{_count(len(cells), 'cell')} in {_count(num_starts, 'server start')}: loads and idle windows{beside} take "
        f"{_words(known_s)}; starts, warm-up and calibration come on top"
    )


def load_time_s(workload: WorkloadSpec) -> float | None:
    """Return how long a load goes on sending; None: that is decided by its requests."""
    return workload.duration_s if workload.num_requests is None else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _words(time_s: float) -> str:
    if time_s < 120:
        return f"{time_s:.0f} s"
    return f"{time_s / 60:.1f} min" if time_s < 7200 else f"{time_s / 3600:.1f} h"
