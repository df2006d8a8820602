"""How well answers name the lowest energy of real sweeps, thinned to five settings and made noisy: REPLAYED.

    python bench/dvfs/replay.py --sweeps FILE.csv [--studies 200] [--page docs/dvfs.md]

FILE.csv: one row a measured setting of a public sweep, with the columns gpu, model, phase, batch, knob (cap_w or
sm_lock_mhz), setting, seconds and energy_j. Each sweep, its repeats averaged, is taken as the truth. A study measures
five settings evenly over the range, ends among them, three launches each, every cell with noise; the highest stands for
stock. A second round adds up to six within 40 % of the first one's best, as the search does.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench")]

from page import host, marked_page, write_measured  # noqa: E402

from llmdvfs.answers.axis import Axis  # noqa: E402
from llmdvfs.answers.choice import Table, choose, full_launches, lowest_energy, mean_ratios  # noqa: E402
from llmdvfs.answers.flags import edges  # noqa: E402
from llmdvfs.answers.intervals import ties_with_lowest  # noqa: E402
from llmdvfs.answers.observation import STOCK  # noqa: E402
from llmdvfs.answers.search import AROUND_FRACTION, CLOCKS_NEAR  # noqa: E402

NUM_SETTINGS, NUM_LAUNCHES, NOISE_FRACTION = 5, 3, 0.015
Truth = dict[float, tuple[float, float]]
"""setting -> (joules, seconds)"""
SWEEP = ["gpu", "model", "phase", "batch", "knob"]


@dataclass(frozen=True)
class Study:
    """What one replayed study said, against the truth of its sweep; regrets are fractions of energy."""

    num_settings: int
    regret: float
    """Of the chosen setting against the best one of the whole sweep."""
    regret_of_noise: float
    """Of the chosen setting against the best of those measured: without what thinning costs."""
    edge_said: bool
    edge_true: bool
    """The best of the five lies at an end that no other setting lies beyond."""
    best_among_ties: bool
    saving_error: float
    """Stated saving minus the true one of the chosen setting."""


def even(low: float, high: float, settings: list[float], number: int = NUM_SETTINGS) -> list[float]:
    """Return the settings nearest to so many even ones between two bounds, as far as the sweep has any."""
    places = np.linspace(max(low, settings[0]), min(high, settings[-1]), number)
    return sorted({min(settings, key=lambda setting: abs(setting - place)) for place in places})


def measured(truth: Truth, taken: list[float], rng: np.random.Generator) -> tuple[Table, Table]:
    """Return energy and time of the settings, three launches each, with noise; the highest is stock."""
    noise = np.exp(rng.normal(0, NOISE_FRACTION, (2, len(taken), NUM_LAUNCHES)))
    energy_j, time_s = (
        {
            name(s, taken): {k: truth[s][q] * float(noise[q, i, k]) for k in range(NUM_LAUNCHES)}
            for i, s in enumerate(taken)
        }
        for q in (0, 1)
    )
    return energy_j, time_s


def name(setting: float, taken: list[float]) -> str:
    """Return the point's name."""
    return STOCK if setting == taken[-1] else f"{setting:g}"


def study(truth: Truth, rng: np.random.Generator, rounds: int) -> Study:
    """Replay one study of a sweep in one round or two."""
    settings = sorted(truth)
    taken = even(settings[0], settings[-1], settings)
    if rounds > 1:
        energy_j, _ = measured(truth, taken, rng)
        ratios = mean_ratios(energy_j, energy_j, full_launches(energy_j))
        best = min(taken, key=lambda setting: ratios[name(setting, taken)])
        around = even(best * (1 - AROUND_FRACTION), best * (1 + AROUND_FRACTION), settings, CLOCKS_NEAR)
        taken = sorted({*taken, *around})
    energy_j, time_s = measured(truth, taken, rng)
    choice = choose("lowest_energy", lowest_energy, energy_j, time_s)
    chosen = next(setting for setting in taken if name(setting, taken) == choice.point)
    best_taken = min(taken, key=lambda setting: truth[setting][0])
    row = Axis("sm_clock_mhz", ("single",), tuple((setting, name(setting, taken)) for setting in taken[:-1]))
    ratios = mean_ratios(energy_j, energy_j, full_launches(energy_j))
    return Study(
        num_settings=len(taken),
        regret=truth[chosen][0] / min(joules for joules, _ in truth.values()) - 1,
        regret_of_noise=truth[chosen][0] / truth[best_taken][0] - 1,
        edge_said=bool(edges(choice.point or STOCK, [row], ratios)),
        edge_true=best_taken == taken[0],
        best_among_ties=name(best_taken, taken) in ties_with_lowest(energy_j),
        saving_error=(choice.saving.value or 0.0) - (1 - truth[chosen][0] / truth[taken[-1]][0]),
    )


def sweeps(path: Path) -> Iterator[tuple[str, Truth]]:
    """Yield each sweep's name and its truth."""
    rows = pd.read_csv(path)
    for key, own in rows.groupby(SWEEP, dropna=False):
        means = own.groupby("setting")[["energy_j", "seconds"]].mean()
        if len(means) > NUM_SETTINGS:
            name = ", ".join(str(part) for part in key if not pd.isna(part))
            yield name, {float(s): (float(row.energy_j), float(row.seconds)) for s, row in means.iterrows()}


def table(path: Path, num_studies: int) -> Iterator[str]:
    """Yield the table's lines: one round and two of each sweep, and of all."""
    yield (
        "| sweep | settings of | rounds: settings | regret p50 / p90 | p90 of noise alone | edge told right "
        "| best among ties | saving error |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    everything: dict[int, list[Study]] = {1: [], 2: []}
    for number, (sweep, truth) in enumerate(sweeps(path)):
        for rounds, collected in everything.items():
            done = [study(truth, np.random.default_rng([number, seed]), rounds) for seed in range(num_studies)]
            collected += done
            yield _line(sweep, str(len(truth)), rounds, done)
    for rounds, collected in everything.items():
        yield _line("**all**", "", rounds, collected)


def _line(sweep: str, settings: str, rounds: int, done: list[Study]) -> str:
    regrets = [each.regret for each in done]
    cells = [
        sweep,
        settings,
        f"{rounds}: {np.mean([each.num_settings for each in done]):.1f}",
        f"{np.quantile(regrets, 0.5):.1%} / {np.quantile(regrets, 0.9):.1%}",
        f"{np.quantile([each.regret_of_noise for each in done], 0.9):.1%}",
        f"{np.mean([each.edge_said == each.edge_true for each in done]):.0%}",
        f"{np.mean([each.best_among_ties for each in done]):.0%}",
        f"{np.mean([each.saving_error for each in done]) * 100:+.2f} points",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweeps", type=Path, required=True)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--page", type=marked_page("bench/dvfs/replay.py"))
    options = parser.parse_args()
    text = "\n".join(table(options.sweeps, options.studies))
    print(text)
    if options.page:
        write_measured(options.page, "bench/dvfs/replay.py", f"{host()}; {options.studies} studies a sweep.\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
