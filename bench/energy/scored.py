"""What an estimator made of simulated runs, beside the truth: kept line by line, and printed as a table."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from engine_sim import SimulatedRun
from loads import SCENARIOS

from llmdvfs.records.result import PhaseEnergy

SMALLEST_J = 1.0  # a phase that the engine never was in has no relative error


@dataclass(frozen=True, slots=True)
class Row:
    """One phase of one role in one run; energies in joules, None where the phase was not given."""

    load: str
    run: int
    role: str
    phase: str
    true_j: float
    value_j: float | None
    low_j: float | None
    high_j: float | None
    reason: str | None
    sensor: str = "energy"

    @property
    def error(self) -> float | None:
        """Return the relative error."""
        return None if self.value_j is None else self.value_j / self.true_j - 1

    @property
    def covered(self) -> bool | None:
        """Return whether the interval held the truth; None: there is no interval."""
        return None if self.low_j is None or self.high_j is None else self.low_j <= self.true_j <= self.high_j

    @property
    def half_width(self) -> float | None:
        """Return half the interval's width, relative to the truth."""
        return None if self.low_j is None or self.high_j is None else (self.high_j - self.low_j) / 2 / self.true_j


def rows_of(load: str, run: int, simulated: SimulatedRun, phases: Iterable[PhaseEnergy]) -> Iterator[Row]:
    """Yield a row for each phase that lasted."""
    for found in phases:
        true_j = simulated.true_j(found.role, found.phase)  # type: ignore[arg-type]
        if true_j >= SMALLEST_J:
            energy = found.energy_j
            told = (energy.value, energy.low, energy.high, energy.reason, found.sensor)
            yield Row(load, run, found.role, found.phase, true_j, *told)


def keep(rows: Iterable[Row], path: Path) -> None:
    """Add the rows to a file, each as soon as it is there."""
    with path.open("a", encoding="utf-8") as lines:
        for row in rows:
            print(json.dumps(asdict(row)), file=lines, flush=True)


def kept(paths: Iterable[Path]) -> list[Row]:
    """Return the rows of several files."""
    return [Row(**json.loads(line)) for path in paths for line in path.read_text("utf-8").splitlines()]


def table(rows: Sequence[Row], older: Sequence[Row] = ()) -> Iterator[str]:
    """Yield a row a load and phase, then a row a phase over all loads; older: of the same runs by another estimator."""
    groups, before = _by_load_and_phase(rows), _by_load_and_phase(older)
    names = list(SCENARIOS)
    beside = "one power a phase (124d028): error, % (held the truth) | " if older else ""
    yield f"| load | phase | {beside}error, % | held the truth | median half width, % | null |"
    yield "|---|---|---|---|---|---|" + "---|" * bool(older)
    for key, own in sorted(groups.items(), key=lambda item: names.index(item[0][0])):
        yield f"| {key[0]} | {key[1]} | {_briefly(before[key]) if older else ''}{_words(own)} |"
    for phase in ("prefill", "decode", "mixed", "idle", "queue"):
        own, theirs = ([row for row in all_rows if row.phase == phase] for all_rows in (rows, older))
        if own:
            yield f"| all loads | {phase} | {_briefly(theirs) if older else ''}{_words(own)} |"
    yield f"| all loads | all phases | {_briefly(older) if older else ''}{_words(rows)} |"


def _by_load_and_phase(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        on = "" if row.role == "single" else f" ({row.role} GPU)"
        groups[row.load, row.phase + on].append(row)
    return groups


def _briefly(rows: Sequence[Row]) -> str:
    errors = [100 * row.error for row in rows if row.error is not None]
    covered = [row.covered for row in rows if row.covered is not None]
    held = f" ({sum(covered)} of {len(covered)})" if covered else ""
    return f"{np.mean(errors):+.2f} ± {np.std(errors):.2f}{held} | " if errors else f"{'null' if rows else ''} | "


def _words(rows: Sequence[Row]) -> str:
    errors = [100 * row.error for row in rows if row.error is not None]
    covered = [row.covered for row in rows if row.covered is not None]
    halves = [100 * row.half_width for row in rows if row.half_width is not None]
    nulls = f"{sum(row.value_j is None for row in rows)} of {len(rows)}"
    if not errors or not covered:
        return f" | | | {nulls}"
    bias = f"{np.mean(errors):+.2f} ± {np.std(errors):.2f}"
    return f"{bias} | {sum(covered)} of {len(covered)} | {np.median(halves):.2f} | {nulls}"
