"""Failed gates, each once: what it means, in which cells it failed, what was seen there, what to do."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from llmdvfs.records.result import Gate
from llmdvfs.report.cells import ReportedCell
from llmdvfs.report.sentences import in_both
from llmdvfs.report.words import Words, words_of


@dataclass(frozen=True, slots=True)
class FailedThere:
    """What a gate saw in one cell, and what it expected."""

    cell: str
    """Name of the cell."""
    seen: Words
    expected: Words


@dataclass(frozen=True, slots=True)
class FailedGate:
    """One gate that failed in some cell."""

    name: str
    meaning: Words
    remedies: tuple[Words, ...]
    """What the gate itself advises; usually the same in all cells."""
    cells: tuple[FailedThere, ...]


def failed_gates(cells: Sequence[ReportedCell]) -> list[FailedGate]:
    """Return the gates that failed, the one that failed in most cells first."""
    found: dict[str, list[tuple[str, Gate]]] = defaultdict(list)
    for cell in cells:
        for gate in cell.result.gates:
            if gate.status == "failed":
                found[gate.name].append((cell.name, gate))
    return [
        FailedGate(
            name=name,
            meaning=words_of("gate", name),
            remedies=tuple(map(in_both, dict.fromkeys(gate.remedy for _, gate in own))),
            cells=tuple(FailedThere(cell, in_both(gate.seen), in_both(gate.expected)) for cell, gate in own),
        )
        for name, own in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
