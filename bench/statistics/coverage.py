"""How often intervals and claims of several methods are right, over simulated studies.

    python bench/statistics/coverage.py --studies 2000 --page docs/statistics.md

Every figure is SIMULATED. About ten minutes on one core.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(ROOT / "bench" / "statistics")]

from methods import METHODS, Claims  # noqa: E402
from page import marked_page, write_measured  # noqa: E402
from studies import SHAPES, SPREADS, Array, Shape, simulate  # noqa: E402

RATIOS = (1.00, 1.02, 1.10)
AT_MARGIN = 1.05  # as far from 1 as nothing is that counts as equal
SDS = (0.01, 0.03, 0.30)
NUM_LAUNCHES = (2, 3, 5, 8)
ALPHA = 0.05
CHOSEN = "the same, 0.9 of the usual at least"
COLUMNS = (
    "method",
    "n",
    "coverage, %",
    "narrowest tenth, least, %",
    "half width, %",
    "false alarms, most, %",
    "the same with Holm, %",
    "finds 10 %, %",
)


class Score(NamedTuple):
    """How a method did in one kind of study; shares of 1."""

    coverage: float
    narrowest: float
    """Coverage of the tenth of the intervals that are narrowest."""
    half_width: float
    """Median, as a share of the interval's middle."""
    alarmed: float
    """Studies with at least one claim of a difference; false ones where the true ratio is 1."""
    alarmed_adjusted: float
    """The same with the claims adjusted by Holm's procedure."""
    found_adjusted: float
    """Ratios of which a difference is claimed, adjusted."""
    called_equal: float
    """Ratios that are called equal: wrongly so where the true one lies at the margin."""


class Kind(NamedTuple):
    """A kind of study."""

    shape: Shape
    spread: str
    sd: float
    ratio: float
    n: int


def scores(num_studies: int) -> Iterator[tuple[str, Kind, Score]]:
    """Yield the score of every method in every kind of study."""
    for shape in SHAPES:
        for number, spread in enumerate(SPREADS):
            for n in NUM_LAUNCHES:
                for sd in SDS:
                    logs = simulate(shape, spread, sd, n, num_studies, seed=1000 * number + n)
                    for ratio in (*RATIOS, AT_MARGIN):
                        kind = Kind(shape, spread, sd, ratio, n)
                        yield from ((name, kind, _score(name, kind, logs)) for name in METHODS)


def _score(name: str, kind: Kind, logs: Array) -> Score:
    cells = kind.shape.num_others * kind.shape.num_workloads
    baseline = np.repeat(np.exp(logs[:, :1]), kind.shape.num_others, axis=1)
    baseline, other = (side.reshape(-1, cells, kind.n) for side in (baseline, kind.ratio * np.exp(logs[:, 1:])))
    claims = METHODS[name](baseline, other)
    p_values = claims.p_value.reshape(-1, kind.shape.num_ratios)
    adjusted = np.sort(p_values, axis=1) * np.arange(kind.shape.num_ratios, 0, -1)
    rejected = np.cumprod(adjusted < ALPHA, axis=1)  # Holm: down to the first that is not rejected
    return Score(
        *_coverage(claims, kind.ratio),
        alarmed=float((p_values < ALPHA).any(axis=1).mean()),
        alarmed_adjusted=float(rejected.any(axis=1).mean()),
        found_adjusted=float(rejected.mean()),
        called_equal=np.nan if claims.equal_p_value is None else float((claims.equal_p_value < ALPHA).mean()),
    )


def _coverage(claims: Claims, ratio: float) -> tuple[float, float, float]:
    if np.isnan(claims.low).all():
        return np.nan, np.nan, np.nan
    right = ((claims.low <= ratio) & (ratio <= claims.high)).ravel()
    # Of the interval's own middle: beside the true ratio those that lie too low would be the narrow ones.
    with np.errstate(divide="ignore", invalid="ignore"):
        width = ((claims.high - claims.low) / (claims.high + claims.low)).ravel()
    width = np.nan_to_num(width, nan=np.inf)  # as wide as can be
    narrow = width <= np.quantile(width, 0.1)
    return float(right.mean()), float(right[narrow].mean()), float(np.median(width))


def table(num_studies: int) -> str:
    """Return the tables of docs/statistics.md."""
    every: dict[tuple[str, int], list[tuple[Kind, Score]]] = defaultdict(list)
    for name, kind, score in scores(num_studies):
        every[name, kind.n].append((kind, score))
    at_margin = {n: [score for kind, score in every[CHOSEN, n] if kind.ratio == AT_MARGIN] for n in NUM_LAUNCHES}
    every = {key: [(kind, score) for kind, score in own if kind.ratio != AT_MARGIN] for key, own in every.items()}
    num_kinds = len(every[CHOSEN, NUM_LAUNCHES[0]])
    parts = [
        f"SIMULATED, {num_studies} studies of each of {num_kinds} kinds for each n.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
        *(_row(name, n, every[name, n]) for name in METHODS for n in NUM_LAUNCHES),
        "",
        f"Ratios of {AT_MARGIN} called equal within 5 % by the chosen method, `{CHOSEN}`, in the worst kind: "
        + ", ".join(f"{_percent(max(one.called_equal for one in at_margin[n]), 1)} % at n = {n}" for n in NUM_LAUNCHES)
        + ".",
        "",
        "The chosen method by kind of study; all standard deviations and ratios together:",
        "",
        "| study | spread | n | coverage, % | narrowest tenth, least, % | studies with a false alarm, most, % |",
        "|---|---|---|---|---|---|",
        *_by_kind({n: every[CHOSEN, n] for n in NUM_LAUNCHES}),
    ]
    return "\n".join(parts)


def _row(name: str, n: int, of_method: list[tuple[Kind, Score]]) -> str:
    usual = [(kind, score) for kind, score in of_method if kind.sd == 0.03 and kind.spread == SPREADS[0]]
    null = [score for kind, score in of_method if kind.ratio == 1.00]
    cells = (
        name,
        str(n),
        _range([score.coverage for _, score in of_method]),
        _least([score.narrowest for _, score in of_method]),
        _percent(np.mean([score.half_width for _, score in usual]), 1),
        _percent(max(score.alarmed for score in null), 1),
        _percent(max(score.alarmed_adjusted for score in null), 1),
        _percent(np.mean([score.found_adjusted for kind, score in usual if kind.ratio == 1.10]), 0),
    )
    return "| " + " | ".join(cells) + " |"


def _by_kind(by_n: dict[int, list[tuple[Kind, Score]]]) -> Iterator[str]:
    for shape in SHAPES:
        for spread in SPREADS:
            for n in (2, 3, 5):
                own = [(kind, score) for kind, score in by_n[n] if (kind.shape, kind.spread) == (shape, spread)]
                alarms = max(score.alarmed_adjusted for kind, score in own if kind.ratio == 1.00)
                yield (
                    f"| {shape.name} | {spread} | {n} | {_range([score.coverage for _, score in own])} | "
                    f"{_least([score.narrowest for _, score in own])} | {_percent(alarms, 1)} |"
                )


def _range(shares: list[float]) -> str:
    return "none given" if np.isnan(shares).all() else f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"


def _least(shares: list[float]) -> str:
    return "" if np.isnan(shares).all() else f"{100 * min(shares):.0f}"


def _percent(share: float, digits: int) -> str:
    return "" if np.isnan(share) else f"{100 * share:.{digits}f}"


def main() -> None:
    """Simulate, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200, help="studies of each kind")
    parser.add_argument(
        "--page", type=marked_page("bench/statistics/coverage.py"), help="page of docs/ to write the tables into"
    )
    options = parser.parse_args()
    text = table(options.studies)
    if options.page is None:
        print(text)
    else:
        write_measured(options.page, "bench/statistics/coverage.py", text)


if __name__ == "__main__":
    main()
