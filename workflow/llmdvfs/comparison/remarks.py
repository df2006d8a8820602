"""What a reader must be told about the cells of a study, besides their numbers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from llmdvfs.comparison.order import cell_order
from llmdvfs.comparison.summary import Measured
from llmdvfs.records.result import CellResult


def points_not_applied(measured: Iterable[Measured]) -> Iterator[str]:
    """Yield a sentence for each operating point that was not applied: its launches, and the first one's reason."""
    told: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for result, run in sorted(measured, key=lambda own: cell_order(own[0].cell)):
        applied = run.applied_point
        if not applied.is_as_asked:
            why = applied.reason or "no reason was recorded"
            told[run.cell.deployment, run.cell.point, applied.state].append((result.cell.launch, why))
    for (deployment, point, state), cells in told.items():
        launches = ", ".join(str(launch) for launch in sorted({launch for launch, _ in cells}))
        yield (
            f"{deployment}/{point}: the operating point was not applied ({state}; launches {launches}): its cells ran "
            f"at the clocks and limits that were found, and are in no mean and no ratio: {cells[0][1]}"
        )


def cell_warnings(results: Iterable[CellResult]) -> Iterator[str]:
    """Yield the warnings of one launch for all launches of a cell, since those of the others differ only in figures."""
    by_cell: dict[str, list[CellResult]] = defaultdict(list)
    for result in sorted(results, key=lambda result: cell_order(result.cell)):
        if result.warnings:
            by_cell[f"{result.cell.deployment}/{result.cell.workload}/{result.cell.point}"].append(result)
    for name, (first, *others) in by_cell.items():
        more = f" (launch {first.cell.launch}; {len(others)} more like it)" if others else ""
        yield from (f"{name}: {warning}{more}" for warning in first.warnings)


def mixed_launches(results: Iterable[CellResult]) -> Iterator[str]:
    """Yield a sentence for each launch that was measured in parts: a re-run that added cells restarted the servers."""
    starts: dict[tuple[str, int], set[str]] = defaultdict(set)
    for result in results:
        starts[result.cell.deployment, result.cell.launch].add(result.server_start_id)
    for (deployment, launch), ids in sorted(starts.items()):
        if len(ids) > 1:
            yield (
                f"{deployment} launch {launch}: its cells come from server starts {', '.join(sorted(ids))}: "
                f"between its workloads and operating points they are not one replicate; "
                f"measure the launch anew to change that"
            )
