"""What a reader must be told about the cells of a study, besides their numbers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from llmdvfs.comparison.order import cell_order
from llmdvfs.comparison.summary import Measured
from llmdvfs.records.point import PointState


def points_not_applied(measured: Iterable[Measured]) -> Iterator[str]:
    """Yield a sentence for the operating points that were not applied in the same launches, for the same reason.

    The reason of a point is that of its first cell.
    """
    launches: dict[tuple[str, str, PointState], set[int]] = defaultdict(set)
    reasons: dict[tuple[str, str, PointState], str] = {}
    for result, run in sorted(measured, key=lambda own: cell_order(own[0].cell)):
        applied = run.applied_point
        if not applied.is_as_asked:
            point = run.cell.deployment, run.cell.point, applied.state
            launches[point].add(result.cell.launch)
            reasons.setdefault(point, applied.reason or "no reason was recorded")
    alike: dict[tuple[str, PointState, str, str], list[str]] = defaultdict(list)
    for (deployment, name, state), reason in reasons.items():
        where = ", ".join(map(str, sorted(launches[deployment, name, state])))
        alike[deployment, state, where, reason].append(name)
    for (deployment, state, where, reason), points in alike.items():
        named = ", ".join(sorted(points, key=lambda name: (len(name), name)))  # core-600 before core-1005
        yield (
            f"{deployment}/{named}: operating point not applied ({state}; launches {where}): cells ran at "
            f"the clocks and limits that were found, and are in no mean and no ratio: {reason}"
        )


def cell_warnings(measured: Iterable[Measured]) -> Iterator[str]:
    """Yield the warnings of one launch for all launches of a cell, since those of the others differ only in figures.

    That its point was not applied is not among them: `points_not_applied` says it once for all.
    """
    by_cell: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)
    for result, run in sorted(measured, key=lambda own: cell_order(own[0].cell)):
        if told := [warning for warning in result.warnings if warning != run.applied_point.warning]:
            cell = result.cell
            by_cell[f"{cell.deployment}/{cell.workload}/{cell.point}"].append((cell.launch, told))
    for name, ((launch, first), *others) in by_cell.items():
        more = f" (launch {launch}; {len(others)} more like it)" if others else ""
        yield from (f"{name}: {warning}{more}" for warning in first)


def mixed_launches(measured: Iterable[Measured]) -> Iterator[str]:
    """Yield a sentence for each launch that was measured in parts: a re-run that added cells restarted the servers."""
    starts: dict[tuple[str, int], set[str]] = defaultdict(set)
    for result, run in measured:
        starts[run.deployment.id, result.cell.launch].add(result.server_start_id)
    for (deployment, launch), ids in sorted(starts.items()):
        if len(ids) > 1:
            yield (
                f"{deployment} launch {launch}: its cells come from server starts {', '.join(sorted(ids))}: "
                f"between its workloads and operating points they are not one replicate; "
                f"measure the launch anew to change that"
            )
