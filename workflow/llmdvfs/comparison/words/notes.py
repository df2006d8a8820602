"""Notes below the tables of a summary: what is held equal, doubtful launches, failed cells, warnings."""

from collections import defaultdict
from collections.abc import Iterator

from llmdvfs.comparison.words.doubts import more_launches, sensitivity
from llmdvfs.comparison.words.held import held_in_words
from llmdvfs.records.comparison import ComparisonRecord, DeploymentPair
from llmdvfs.records.comparison_text import baseline_pairs

MAX_NAMED = 6  # cells of one failed gate that are named; comparison.csv has all
OF_A_GROUP = ("workload ", "operating point ")  # held equal by being in one table


def notes(record: ComparisonRecord, most: int | None = None) -> list[str]:
    """Return every note once, most important first.

    most: how many notes of one kind are written for single workloads and operating points; the others are only counted.
    None: all are written.
    """
    every = [
        *_likeness(record),
        *_first(list(sensitivity(record)), most, "workloads and operating points have doubtful launches"),
        *_first(list(more_launches(record)), most, "workloads and operating points would need more launches"),
        *_failed_cells(record),
        *_failed_gates(record),
        *_isolation(record),
        *(caveat for group in record.groups for pair in group.pairs for caveat in pair.caveats),
        *record.warnings,
        *([record.energy_note] if record.energy_note else []),
        *([held_in_words(record.held)] if record.held else []),
    ]
    return list(dict.fromkeys(every))


def _first(said: list[str], most: int | None, what: str) -> list[str]:
    if most is None or len(said) <= most:
        return said
    return [*said[:most], f"{len(said) - most} more {what} (summary.md)"]


def _likeness(record: ComparisonRecord) -> Iterator[str]:
    pairs = [pair for group in record.groups for pair in baseline_pairs(group)]
    related = [pair for pair in pairs if pair.ratios]
    if related:
        alike = [
            fact
            for fact in related[0].held_equal
            if not fact.startswith(OF_A_GROUP) and all(fact in pair.held_equal for pair in related)
        ]
        yield f"held equal: {', '.join(alike)}"
    yield from (f"{pair.other} differs: {'; '.join(pair.varied)}" for pair in related if pair.varied)
    yield from (difference for pair in pairs for difference in _refusals(pair))


def _refusals(pair: DeploymentPair) -> list[str]:
    return [f"{pair.other} is not compared with {pair.baseline}: {difference}" for difference in pair.differences]


def _isolation(record: ComparisonRecord) -> Iterator[str]:
    """Say how attributed powers of phases agree with the loads that isolate them: failures each, the rest in one."""
    judged = [check for check in record.isolation if check.gate.status != "not_applicable"]
    for check in (check for check in judged if check.gate.status == "failed"):
        yield (
            f"{check.cell.folder()}: {check.role} {check.phase} is attributed {check.gate.seen}, the power under "
            f"{check.isolating_workload}, which isolates it; expected {check.gate.expected}: {check.gate.remedy}"
        )
    if judged:
        passed = sum(check.gate.status == "passed" for check in judged)
        yield f"attributed powers of phases agree with the loads that isolate them in {passed} of {len(judged)} cases"


def _failed_cells(record: ComparisonRecord) -> Iterator[str]:
    for row in record.cells:
        if row.status == "no_result":
            yield f"{row.cell.folder()}: failed: {(row.reason or 'cause unknown').splitlines()[0]}"


def _failed_gates(record: ComparisonRecord) -> Iterator[str]:
    """Yield a note for each gate with the cells in which it failed."""
    cells: dict[str, list[str]] = defaultdict(list)
    for row in record.cells:
        for gate in row.failed_gates:
            cells[gate].append(row.cell.folder())
    for gate, folders in sorted(cells.items()):
        more = f" and {len(folders) - MAX_NAMED} more (comparison.csv)" if len(folders) > MAX_NAMED else ""
        yield f"gate failed: {gate}: {', '.join(folders[:MAX_NAMED])}{more}"
