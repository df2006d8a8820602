"""Names the cells of two results folders so that each deployment is compared with its counterpart."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from llmdvfs.comparison.groups import compare
from llmdvfs.comparison.summary import Measured
from llmdvfs.errors import DataError
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.comparison_text import baseline_pairs


def compare_two(
    first: tuple[str, Sequence[Measured]],
    second: tuple[str, Sequence[Measured]],
    *,
    unlike: bool,
    margin_fraction: float,
) -> ComparisonRecord:
    """Return the comparison of the second folder's deployments with the first's.

    first, second: name and cells of each folder. A deployment that both have is compared with itself, at every workload
    and operating point that both have. Where they have none in common, all are compared with the first folder's
    simplest one. Raises DataError where they share no workload at one operating point, or where every pair is refused:
    it lists the differences.
    """
    (label, ours), (other_label, theirs) = first, second
    common = _deployments(ours) & _deployments(theirs)
    if common:
        ours = [_as_itself(cell, label) for cell in ours]
        theirs = [_as_itself(cell, other_label) for cell in theirs]
    else:
        ours = [_prefixed(cell, label) for cell in ours]
        theirs = [_prefixed(cell, other_label) for cell in theirs]
    shared = _loads(ours) & _loads(theirs)
    if not shared:
        raise DataError(
            f"{label} and {other_label} have no workload at one operating point in common: "
            f"{_listed(_loads(ours))} against {_listed(_loads(theirs))}; compare folders that share one"
        )
    cells = [cell for cell in (*ours, *theirs) if (cell[0].cell.workload, cell[0].cell.point) in shared]
    record = compare(
        [result for result, _ in cells],
        [run for _, run in cells],
        baseline=label if common else None,
        unlike=unlike,
        margin_fraction=margin_fraction,
    )
    pairs = [pair for group in record.groups for pair in baseline_pairs(group)]
    if pairs and all(pair.differences for pair in pairs):
        found = dict.fromkeys(difference for pair in pairs for difference in pair.differences)
        raise DataError(
            f"{label} and {other_label} are not alike, expected nothing but the architecture to differ: "
            f"{'; '.join(found)}; to compare them all the same: --unlike"
        )
    return record


def labels_of(first: Path, second: Path) -> tuple[str, str]:
    """Return names that tell two folders apart: the last parts of their paths, as few as are needed."""
    ours, theirs = first.resolve().parts, second.resolve().parts
    for length in range(1, max(len(ours), len(theirs)) + 1):
        names = ["-".join(parts[-length:]).strip("/") for parts in (ours, theirs)]
        if names[0] != names[1]:
            return names[0], names[1]
    raise DataError(f"{first} and {second} are one folder; expected two")


def _as_itself(cell: Measured, label: str) -> Measured:
    """Return the cell as one of a deployment named by its folder, at a workload that names the deployment."""
    result, run = cell
    name = f"{label}_{run.deployment.model.name}"
    return _named(cell, name, f"{result.cell.deployment}, {result.cell.workload}", label)


def _prefixed(cell: Measured, label: str) -> Measured:
    result, _ = cell
    return _named(cell, f"{label}:{result.cell.deployment}", result.cell.workload, label)


def _named(cell: Measured, deployment: str, workload: str, label: str) -> Measured:
    """Return the cell under other names.

    Keys, starts and started deployments carry the folder's, for both may hold the same measurement.
    """
    result, run = cell
    own = replace(result.cell, deployment=deployment, workload=workload)
    started = replace(run.deployment, id=f"{label}:{run.deployment.id}")
    key = f"{label}:{result.key}"
    return (
        replace(result, cell=own, key=key, server_start_id=f"{label}:{result.server_start_id}"),
        replace(run, cell=own, key=key, deployment=started),
    )


def _deployments(cells: Iterable[Measured]) -> set[str]:
    return {result.cell.deployment for result, _ in cells}


def _loads(cells: Iterable[Measured]) -> set[tuple[str, str]]:
    return {(result.cell.workload, result.cell.point) for result, _ in cells}


def _listed(loads: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{workload} ({point})" for workload, point in sorted(loads)) or "none"
