"""Intervals of the energy by phase against engines and counters that nobody has chosen: does the truth lie in them?

    python bench/energy/fresh_engines.py --runs 1 5 --keep runs.jsonl     # 4 runs of each load, added to the file
    python bench/energy/fresh_engines.py --table runs.jsonl               # what all runs in it say

Each run draws its own engine: powers and the law by which they grow with the batch, step times, chunks, transient and
heat; and its own counters: lag, jitter, polls, the client's delay. Everything is SIMULATED. About 3 s a load and run.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from phase_error import SCENARIOS, Scenario, analysed

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

    @property
    def error(self) -> float | None:
        """Return the relative error."""
        return None if self.value_j is None else self.value_j / self.true_j - 1

    @property
    def covered(self) -> bool | None:
        """Return whether the interval held the truth; None: there is no interval."""
        return None if self.low_j is None or self.high_j is None else self.low_j <= self.true_j <= self.high_j


def drawn(scenario: Scenario, seed: int) -> Scenario:
    """Return the scenario with an engine and counters of its own; what the scenario is about is kept."""
    draw = np.random.default_rng((seed, 77)).uniform
    engine = replace(
        scenario.engine,
        idle_w=draw(70, 150),
        decode_w=draw(250, 450),
        decode_w_a_doubling=draw(10, 60),
        decode_power_exponent=draw(-0.4, 0.2),
        prefill_w=draw(350, 550),
        prefill_full_w=draw(550, 800),
        decode_step_s=draw(0.005, 0.025),
        decode_step_s_a_request=draw(0, 2e-4),
        prefill_s_a_token=draw(25e-6, 100e-6),
        chunk_tokens=scenario.engine.chunk_tokens and int(2 ** draw(9, 12)),
        transient_fraction=scenario.engine.transient_fraction + draw(0, 0.1),
        heat_fraction=scenario.engine.heat_fraction + draw(0, 0.02),
    )
    counters = replace(
        scenario.counters,
        lag_s=scenario.counters.lag_s + draw(0, 0.05),
        jitter_s=10 ** draw(-4, -2.7),
        poll_s=scenario.counters.poll_s * draw(0.5, 1.5),
        stamp_delay_s=10 ** draw(-4, -3),
    )
    return replace(scenario, engine=engine, counters=counters)


def rows_of(runs: range) -> Iterator[Row]:
    """Yield the rows of each load and run; a load has seeds of its own in every run."""
    for run in runs:
        for position, (name, scenario) in enumerate(SCENARIOS.items()):
            seed = 100 * run + position
            simulated = drawn(scenario, seed).run(seed)
            for found in analysed(simulated, run, by_steps=True).phases:
                true_j = simulated.true_j(found.role, found.phase)  # type: ignore[arg-type]
                if true_j >= SMALLEST_J:
                    energy = found.energy_j
                    yield Row(
                        name,
                        run,
                        found.role,
                        found.phase,
                        true_j,
                        energy.value,
                        energy.low,
                        energy.high,
                        energy.reason,
                    )


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a row a load and phase, then a row a phase over all loads."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        on = "" if row.role == "single" else f" ({row.role} GPU)"
        groups[row.load, row.phase + on].append(row)
    order = {name: position for position, name in enumerate(SCENARIOS)}
    yield "| load | phase | error, % | held the truth | median half width, % | null |"
    yield "|---|---|---|---|---|---|"
    for (load, phase), own in sorted(groups.items(), key=lambda item: order[item[0][0]]):
        yield f"| {load} | {phase} | {_words(own)} |"
    for phase in ("prefill", "decode", "mixed", "idle"):
        yield f"| all loads | {phase} | {_words([row for row in rows if row.phase == phase])} |"
    yield f"| all loads | all phases | {_words(rows)} |"


def _words(rows: Sequence[Row]) -> str:
    errors = [100 * row.error for row in rows if row.error is not None]
    covered = [row.covered for row in rows if row.covered is not None]
    halves = [
        50 * (row.high_j - row.low_j) / row.true_j for row in rows if row.low_j is not None and row.high_j is not None
    ]
    nulls = f"{sum(row.value_j is None for row in rows)} of {len(rows)}"
    if not errors or not covered:
        return f" | | | {nulls}"
    bias = f"{np.mean(errors):+.2f} ± {np.std(errors):.2f}"
    return f"{bias} | {sum(covered)} of {len(covered)} | {np.median(halves):.2f} | {nulls}"


def main() -> None:
    """Simulate and keep, or print what was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs=2, metavar=("FIRST", "END"), help="numbers of the runs, END not made")
    parser.add_argument("--keep", type=Path, help="file to which the rows of --runs are added")
    parser.add_argument("--table", type=Path, nargs="*", default=[], help="files of kept rows")
    options = parser.parse_args()
    if options.runs and options.keep:
        with options.keep.open("a", encoding="utf-8") as lines:
            for row in rows_of(range(*options.runs)):
                print(json.dumps(asdict(row)), file=lines, flush=True)
    kept = [Row(**json.loads(line)) for path in options.table for line in path.read_text("utf-8").splitlines()]
    if kept:
        print("\n".join(table(kept)))


if __name__ == "__main__":
    main()
