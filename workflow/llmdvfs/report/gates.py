"""Failed gates, each once: what it means, in which cells it failed, what was seen there, what to do."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from llmdvfs.records.result import Gate
from llmdvfs.report.cells import ReportedCell
from llmdvfs.report.words import Words, words_of


@dataclass(frozen=True, slots=True)
class FailedGate:
    """One gate that failed in some cell."""

    name: str
    meaning: Words
    remedies: tuple[str, ...]
    """What the gate itself advises; usually the same in all cells."""
    cells: tuple[tuple[str, Gate], ...]
    """Name of each cell, with what the gate saw and expected there."""


def failed_gates(cells: Sequence[ReportedCell]) -> list[FailedGate]:
    """Return the gates that failed, the one that failed in most cells first."""
    found: dict[str, list[tuple[str, Gate]]] = defaultdict(list)
    for cell in cells:
        for gate in cell.result.gates:
            if gate.status == "failed":
                found[gate.name].append((cell.name, gate))
    return [
        FailedGate(name, words_of("gate", name), tuple(dict.fromkeys(gate.remedy for _, gate in own)), tuple(own))
        for name, own in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
