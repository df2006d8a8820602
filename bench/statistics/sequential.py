"""How often intervals are right where launches are added until they are narrow enough (`python -m llmdvfs sequential`).

    python bench/statistics/sequential.py --studies 4000 --page docs/statistics.md

Stopping where an interval happens to be narrow favours narrow intervals: do they still hold the truth?
Every figure is SIMULATED. About half a minute on one core.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(ROOT / "bench" / "statistics")]

from methods import Claims, chosen  # noqa: E402
from page import marked_page, write_measured  # noqa: E402
from studies import SHAPES, SPREADS, Array, Shape, simulate  # noqa: E402

START, MOST = 3, 12
WIDTHS = ((0.01, 0.02), (0.03, 0.05), (0.03, 0.03), (0.30, 0.50))
"""Standard deviation of launches, and the half width at which a study ends."""
ALPHA = 0.05


class Outcome(NamedTuple):
    """How studies of one kind ended; shares of 1."""

    coverage: float
    coverage_stopped: float
    """Of the studies that ended before the most launches; nan: none did."""
    narrowest: float
    """Coverage of the tenth of the intervals that are narrowest."""
    alarmed: float
    """Studies of equal deployments in which a difference is claimed (Holm)."""
    stopped: float
    """Studies that ended before the most launches."""
    launches: float
    """Mean number."""


def run(shape: Shape, spread: str, sd: float, half_width: float, num_studies: int, seed: int) -> Outcome:
    """Add launches, from 3, until all half widths of a study are small enough, and say how its intervals did."""
    shape = replace(shape, num_metrics=1)  # more metrics would only add launches
    logs = simulate(shape, spread, sd, MOST, num_studies, seed)
    cells = shape.num_ratios
    baseline = np.repeat(np.exp(logs[:, :1]), shape.num_others, axis=1)
    baseline, other = (side.reshape(-1, cells, MOST) for side in (baseline, np.exp(logs[:, 1:])))
    ended, is_open = chosen(baseline, other), np.full(num_studies, True)
    num_launches = np.full(num_studies, MOST)
    for n in range(START, MOST):
        now = chosen(baseline[..., :n], other[..., :n])
        stops = is_open & (_half_width(now).max(axis=1) <= half_width)
        for name in ("low", "high", "p_value"):
            getattr(ended, name)[stops] = getattr(now, name)[stops]
        num_launches[stops], is_open = n, is_open & ~stops
    right, width = (ended.low <= 1) & (ended.high >= 1), _half_width(ended)
    stopped = num_launches < MOST
    return Outcome(
        coverage=float(right.mean()),
        coverage_stopped=float(right[stopped].mean()) if stopped.any() else np.nan,
        narrowest=float(right[width <= np.quantile(width, 0.1)].mean()),
        alarmed=float((ended.p_value.min(axis=1) * cells < ALPHA).mean()),  # Holm's first step: any claim at all
        stopped=float(stopped.mean()),
        launches=float(num_launches.mean()),
    )


def _half_width(claims: Claims) -> Array:
    """Return the upper half widths, as shares of the ratio."""
    return np.asarray(np.sqrt(claims.high / claims.low) - 1)


def _rows(num_studies: int) -> Iterator[str]:
    for shape in SHAPES:
        for number, spread in enumerate(SPREADS):
            own = [run(shape, spread, sd, half, num_studies, seed=5000 * number + 7) for sd, half in WIDTHS]
            # of kinds in which hardly any study ends early nothing can be told
            early = [one.coverage_stopped for one in own if one.stopped * num_studies >= 100]
            cells = (
                shape.name,
                spread,
                _span([one.coverage for one in own]),
                _span(early) if early else "hardly any does",
                f"{100 * min(one.narrowest for one in own):.0f}",
                f"{100 * max(one.alarmed for one in own):.1f}",
                " / ".join(f"{one.launches:.1f}" for one in own),
            )
            yield "| " + " | ".join(cells) + " |"


def _span(shares: list[float]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"


def table(num_studies: int) -> str:
    """Return the table of docs/statistics.md."""
    widths = " / ".join(f"{100 * sd:g} % to {100 * half:g} %" for sd, half in WIDTHS)
    columns = (
        "study",
        "spread",
        "coverage, %",
        f"of those that end before {MOST}, %",
        "narrowest tenth, least, %",
        "studies with a false alarm, most, %",
        f"launches, mean: {widths}",
    )
    head = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join(
        [f"SIMULATED, {num_studies} studies of each kind; {START} to {MOST} launches.", "", *head, *_rows(num_studies)]
    )


def main() -> None:
    """Simulate, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400, help="studies of each kind")
    parser.add_argument(
        "--page", type=marked_page("bench/statistics/sequential.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    text = table(options.studies)
    if options.page is None:
        print(text)
    else:
        write_measured(options.page, "bench/statistics/sequential.py", text)


if __name__ == "__main__":
    main()
