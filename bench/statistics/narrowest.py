"""Whether intervals can cover 97 % at most and their narrowest tenth 85 % at least: both, for any width and any pool.

    python bench/statistics/narrowest.py --studies 2000 --page docs/statistics.md

Every interval of a method is widened or narrowed by the one factor with which all of them together cover 97 %; then the
narrowest tenth is looked at. These figures are SIMULATED.

Above them stands what no method can pass. Where all ratios of a study spread alike and lognormally, their pooled
variance says all that the study knows of the spread. A width that follows anything else, in proportion, differs more
among studies than the pooled one, so that its narrowest tenth lies lower. That of the pooled one is worked out:
Student's interval of all degrees of freedom, given that the variance is in its lowest tenth. A few seconds of one core.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(ROOT / "bench" / "statistics")]

from methods import METHODS  # noqa: E402
from page import marked_page, write_measured  # noqa: E402
from studies import SHAPES, SPREADS, Shape, simulate  # noqa: E402

SHOWN = (
    "logs, t",
    "logs, shrunk, 4 df",
    "logs, shrunk to others, up to 4 df",
    "the same, 0.9 of the usual at least",
)
KINDS = (
    (SHAPES[0], SPREADS[0], 2),
    (SHAPES[0], SPREADS[0], 3),
    (SHAPES[0], SPREADS[0], 5),
    (SHAPES[2], SPREADS[0], 2),
    (SHAPES[0], SPREADS[2], 8),
)
SD = 0.03
MOST = 0.97
COLUMNS = (
    "study",
    "spread",
    "n",
    "method",
    "coverage, %",
    "narrowest tenth, %",
    "width for 97 %",
    "narrowest tenth then, %",
)


def highest_narrowest(degrees: int) -> float:
    """Return what share the narrowest tenth covers at best where all intervals cover 97 %: the whole study one pool.

    degrees: of freedom of the pooled variance, ratios x (launches - 1) where launches pair.
    """
    luck = (np.arange(1000) + 0.5) / 10_000  # of the variance: its lowest tenth, evenly
    spread = np.sqrt(stats.chi2.ppf(luck, degrees) / degrees)
    width = stats.t.ppf((1 + MOST) / 2, degrees)
    return float(np.mean(2 * stats.norm.cdf(width * spread) - 1))


def bounds() -> Iterator[str]:
    """Yield the table of the bound: the smallest studies, by launches."""
    launches = (2, 3, 4, 5, 8)
    yield "| ratios | " + " | ".join(f"n = {n}" for n in launches) + " |"
    yield "|---" * (len(launches) + 1) + "|"
    for ratios in (3, 6, 12):
        yield f"| {ratios} | " + " | ".join(f"{100 * highest_narrowest(ratios * (n - 1)):.0f}" for n in launches) + " |"


def rows(num_studies: int) -> Iterator[str]:
    """Yield a row of the table for each kind of study and method."""
    for shape, spread, n in KINDS:
        for method in SHOWN:
            yield _row(shape, spread, n, method, num_studies)


def _row(shape: Shape, spread: str, n: int, method: str, num_studies: int) -> str:
    logs = simulate(shape, spread, SD, n, num_studies, seed=n)
    baseline = np.repeat(np.exp(logs[:, :1]), shape.num_others, axis=1)
    sides = (side.reshape(-1, shape.num_others * shape.num_workloads, n) for side in (baseline, np.exp(logs[:, 1:])))
    claims = METHODS[method](*sides)
    half = np.log(claims.high / claims.low).ravel() / 2
    distance = np.abs(np.log(claims.high * claims.low).ravel() / 2) / half  # of the truth, 1: at the interval's end
    narrow = half <= np.quantile(half, 0.1)
    factor = float(np.quantile(distance, MOST))
    shares = (np.mean(distance <= 1), np.mean(distance[narrow] <= 1), np.mean(distance[narrow] <= factor))
    coverage, narrowest, then = (f"{100 * share:.{digits}f}" for share, digits in zip(shares, (1, 0, 0), strict=True))
    return f"| {shape.name} | {spread} | {n} | {method} | {coverage} | {narrowest} | x{factor:.2f} | {then} |"


def main() -> None:
    """Simulate, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200, help="studies of each kind")
    parser.add_argument(
        "--page", type=marked_page("bench/statistics/narrowest.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    head = ["At most, % of the narrowest tenth where all cover 97 % and all ratios spread alike (worked out):", ""]
    head += [*bounds(), ""]
    head += [f"SIMULATED, {options.studies} studies of each kind, launches that spread by 3 %.", ""]
    head += ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    text = "\n".join([*head, *rows(options.studies)])
    if options.page is None:
        print(text)
    else:
        write_measured(options.page, "bench/statistics/narrowest.py", text)


if __name__ == "__main__":
    main()
