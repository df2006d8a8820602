"""A search as text: what is measured next, and how it ended."""

from collections.abc import Collection, Iterator

from llmdvfs.records.search import SearchedLoad, SearchRecord, SearchRound
from llmdvfs.records.spec import CellId

KINDS = {"range": "round over the range", "near": "round near the lowest", "again": "further round"}
STATES = {
    "searching": "searching",
    "target_reached": "found",
    "budget_spent": "ended without reaching the target",
    "no_clocks": "ended",
}


def round_lines(record: SearchRecord, missing: Collection[CellId]) -> Iterator[str]:
    """Yield a line for each load with cells to be measured: which points, in which launches, and why."""
    num_starts = len({(cell.deployment, cell.launch) for cell in missing})
    yield f"search: {len(missing)} cells to measure in {num_starts} server start(s)"
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
    points = ", ".join(point.id for point in step.points)
    return f"{KINDS.get(step.kind, step.kind)}, {launches}: stock, {points} ({step.reason})"


def _confirmed(load: SearchedLoad) -> str:
    confirmed = load.confirmation
    if confirmed is None:
        return ""
    names = ", ".join(sorted(set(confirmed.chosen.values())))
    return f"; {names} and stock were measured in {len(confirmed.launches)} fresh launch(es)"
