"""Whether search and confirmation name the lowest energy of modelled GPUs, and state its saving rightly: MODELLED.

    python bench/dvfs/twin.py [--seeds 20] [--coverage-seeds 200] [--page docs/dvfs.md]

For each seed and load: the planner chooses clocks in one launch, then five fresh launches confirm the found clock with
stock before and after it. Noise: 1 % a cell, 0.5 % a launch, and a drift of 1 % over a launch. The same is asked of a
full grid: every 60 MHz, five launches, the lowest mean, its saving read off the launches that chose it.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(ROOT / "tests")]

from modelled.truths import COMPUTE_SHARE, HIGH_MHZ, LOW_MHZ, STEP_MHZ, STOCK_MHZ, Truth, draw  # noqa: E402
from page import host, write_measured  # noqa: E402

from llmdvfs.answers.intervals import ratio_of_logs  # noqa: E402
from llmdvfs.answers.search import Found, Range, Tried, next_step  # noqa: E402

CELL_NOISE, LAUNCH_NOISE, DRIFT = 0.01, 0.005, 0.01
CELLS_OF_A_DRIFT = 40  # the drift is spread over this many cells
STOCK_EVERY = 6
NUM_CONFIRMING = 5
GRID_MHZ = 60


class Launch:
    """One server start of a modelled GPU; each cell is later than the one before."""

    def __init__(self, truth: Truth, rng: np.random.Generator) -> None:
        self.truth, self.rng = truth, rng
        self.level = rng.normal(0, LAUNCH_NOISE)
        self.drift = rng.choice([-1, 1]) * DRIFT
        self.num_cells = 0

    def energy(self, clock_mhz: float) -> float:
        """Measure one cell."""
        late = self.drift * self.num_cells / CELLS_OF_A_DRIFT
        self.num_cells += 1
        return self.truth.energy_at(clock_mhz) * math.exp(self.level + late + self.rng.normal(0, CELL_NOISE))


@dataclass(frozen=True)
class Outcome:
    """What a study of one seed and load came to."""

    regret: float
    saving_error: float
    covered: bool
    half_width: float
    """Of the interval of the saving."""
    num_clocks: int
    num_cells: int
    num_launches: int


def searched(truth: Truth, rng: np.random.Generator) -> Outcome:
    """Search in one launch, confirm in five; clocks above the one held at stock are not tried: a probe finds it."""
    launch = Launch(truth, rng)
    allowed = Range(LOW_MHZ, int(truth.held_mhz(STOCK_MHZ)), STEP_MHZ)
    tried: list[Tried] = []
    while not isinstance(step := next_step(tried, allowed), Found):
        tried += measured(launch, step.clocks_mhz)
    logs = []
    for _ in range(NUM_CONFIRMING):
        fresh = Launch(truth, rng)
        before, found, after = (fresh.energy(clock) for clock in (STOCK_MHZ, step.clock_mhz, STOCK_MHZ))
        logs.append(math.log(found) - (math.log(before) + math.log(after)) / 2)
    num_clocks = len({cell.clock_mhz for cell in tried} | {STOCK_MHZ})
    return outcome(truth, step.clock_mhz, logs, num_clocks, launch.num_cells + 3 * NUM_CONFIRMING, 1 + NUM_CONFIRMING)


def measured(launch: Launch, clocks_mhz: Sequence[int]) -> list[Tried]:
    """Measure clocks in random order, stock at the begin, every sixth step and the end; ratios to the mean of stock."""
    order = [int(clock) for clock in launch.rng.permutation(clocks_mhz)]
    stock, energies = [launch.energy(STOCK_MHZ)], []
    for place, clock in enumerate(order, 1):
        energies.append(launch.energy(clock))
        if place % STOCK_EVERY == 0 or place == len(order):
            stock.append(launch.energy(STOCK_MHZ))
    level = float(np.mean(stock))
    return [Tried(clock, energy / level) for clock, energy in zip(order, energies, strict=True)]


def gridded(truth: Truth, rng: np.random.Generator) -> Outcome:
    """Measure a full grid in five launches, each in random order."""
    clocks = list(range(LOW_MHZ, HIGH_MHZ + 1, GRID_MHZ))
    logs: dict[int, list[float]] = {clock: [] for clock in clocks}
    for _ in range(NUM_CONFIRMING):
        launch = Launch(truth, rng)
        energy = {int(clock): launch.energy(float(clock)) for clock in rng.permutation([*clocks, STOCK_MHZ])}
        for clock in clocks:
            logs[clock].append(math.log(energy[clock] / energy[STOCK_MHZ]))
    best = min(clocks, key=lambda clock: float(np.mean(logs[clock])))
    return outcome(truth, best, logs[best], len(clocks), NUM_CONFIRMING * (len(clocks) + 1), NUM_CONFIRMING)


def outcome(
    truth: Truth, clock_mhz: int, logs: Sequence[float], num_clocks: int, num_cells: int, num_launches: int
) -> Outcome:
    """Judge a chosen clock and its stated log ratios to stock by the truth."""
    best = min(truth.energy_at(clock) for clock in range(LOW_MHZ, HIGH_MHZ + 1, STEP_MHZ))
    ratio = truth.energy_at(clock_mhz) / truth.energy_at(STOCK_MHZ)
    stated = ratio_of_logs(logs)
    low, value, high = stated.low or 0.0, stated.value or 0.0, stated.high or 0.0
    return Outcome(
        regret=truth.energy_at(clock_mhz) / best - 1,
        saving_error=ratio - value,
        covered=low <= ratio <= high,
        half_width=(high - low) / 2,
        num_clocks=num_clocks,
        num_cells=num_cells,
        num_launches=num_launches,
    )


WAYS = {"search": searched, "grid": gridded}


def table(num_seeds: int, coverage_seeds: int) -> Iterator[str]:
    """Yield the table's lines, one a load and way."""
    yield (
        "| load, MODELLED | way | within 2 % of the best | worst regret | saving off by: mean, worst "
        "| interval holds the truth | half width | clocks | cells | server starts |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for load in COMPUTE_SHARE:
        for way, study in WAYS.items():
            seeds = range(max(num_seeds, coverage_seeds))
            done = [study(draw(load, seed), np.random.default_rng([seed, 7])) for seed in seeds]
            yield _line(load, way, done[:num_seeds], done)


def _line(load: str, way: str, done: list[Outcome], many: list[Outcome]) -> str:
    errors = [each.saving_error * 100 for each in done]
    cells = [
        load,
        way,
        f"{sum(each.regret <= 0.02 for each in done)} of {len(done)}",
        f"{max(each.regret for each in done):.2%}",
        f"{np.mean(errors):+.2f}, {max(errors, key=abs):+.2f} points",
        f"{np.mean([each.covered for each in many]):.1%} of {len(many)}",
        f"{np.mean([each.half_width for each in done]) * 100:.2f} points",
        f"{np.mean([each.num_clocks for each in done]):.1f}",
        f"{np.mean([each.num_cells for each in done]):.1f}",
        f"{np.mean([each.num_launches for each in done]):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--coverage-seeds", type=int, default=200)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    text = "\n".join(table(options.seeds, options.coverage_seeds))
    print(text)
    if options.page:
        write_measured(options.page, "bench/dvfs/twin.py", f"MODELLED; simulated on {host()}.\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
