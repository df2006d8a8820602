"""A search as text: what is measured next, and how it ended."""

from collections.abc import Collection, Iterator, Sequence

from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.decided import with_cells_of
from llmdvfs.plan.progress import expected_progress, in_words
from llmdvfs.plan.study import Study
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.search import SearchedLoad, SearchRecord, SearchRound
from llmdvfs.records.spec import CellId

KINDS = {"range": "round over the range", "near": "round near the lowest", "again": "further round"}
STATES = {
    "searching": "searching",
    "target_reached": "found",
    "budget_spent": "ended without reaching the target",
    "no_clocks": "ended",
}


def round_lines(study: Study, record: SearchRecord, missing: Collection[CellId]) -> Iterator[str]:
    """Yield a line for each load with cells to be measured: which points, in which launches, and why."""
    pending = pending_launches(with_cells_of(study, record))
    yield f"search: {in_words(expected_progress(study, pending))} ({len(pending)})"
    for load in record.loads:
        own = {cell.launch for cell in missing if (cell.deployment, cell.workload) == (load.deployment, load.workload)}
        for step in load.rounds:
            if own & set(step.launches):
                yield f"  {load.deployment} / {load.workload}: {_round(step)}"


def outcome_lines(record: SearchRecord) -> Iterator[str]:
    """Yield a line for each load: how its search ended, and what was confirmed."""
    for load in record.loads:
        yield f"search: {load.deployment} / {load.workload}: {STATES[load.state]}: {load.text}{_confirmed(load)}"


def _round(step: SearchRound) -> str:
    launches = f"launch {step.launches[0]}" + (f" to {step.launches[-1]}" if len(step.launches) > 1 else "")
    return f"{KINDS.get(step.kind, step.kind)}, {launches}: stock; {_points(step.points)} ({step.reason})"


def _points(points: Sequence[OperatingPoint]) -> str:
    """Return the clocks of each role that is set alone, and the names of the other points."""
    alone: dict[str, list[int]] = {}
    for point in points:
        if len(point.sm_clock_mhz) == 1:
            ((role, clock),) = point.sm_clock_mhz.items()
            alone.setdefault(role, []).append(clock)
    texts = [f"{role} at {', '.join(map(str, clocks))} MHz" for role, clocks in alone.items()]
    return "; ".join([*texts, *(point.id for point in points if len(point.sm_clock_mhz) != 1)])


def _confirmed(load: SearchedLoad) -> str:
    confirmed = load.confirmation
    if confirmed is None:
        return ""
    names = ", ".join(sorted(set(confirmed.chosen.values())))
    return f"; {names} and stock were measured in {len(confirmed.launches)} fresh launch(es)"
