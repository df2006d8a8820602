"""Which clocks to measure next: five over the range, six near the lowest, more while the regret's bound is wide.

Pure: it gets what was measured, and returns the next clocks or the end. Golden section and halving ask for the sign of
a difference that noise hides near a flat bottom; a physical fit is wrong by its shape. A parabola of ln E over ln f,
around the lowest clock only, uses all cells of the neighbourhood at once. How many clocks a round has, and how far the
second one reaches, was settled by simulation (bench/dvfs/study.py, docs/dvfs.md): the parabola of a wider neighbourhood
is known by fewer cells, until the curve is none any more. Within 40 % a search takes 8 % fewer cells than within 30 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # not the slow scipy.stats: a second

from llmdvfs.records.search import ClockRange, RoundKind

CLOCKS_OVER_RANGE = 5  # with stock before and after them: at least every sixth step of a sweep is stock
CLOCKS_NEAR = 6  # an even number: the lowest one, in their middle, has been measured
AROUND_FRACTION = 0.4  # of the best clock, on both sides: the second round, and the parabola's range
KNOWN_FRACTION = 1 / 3  # of the second round's spacing: a clock that is so near to a measured one is known already
CONFIDENCE = 0.95
MOST_TIMES_MORE = 10  # where more than so many times the cells would be needed, better cells are: longer windows
MIN_CLOCKS_OF_A_PARABOLA = 4  # three parameters and one to contradict them


@dataclass(frozen=True, slots=True)
class Tried:
    """One measured cell: the core clock asked for, and its energy relative to stock of the same launch."""

    clock_mhz: int
    energy_ratio: float


@dataclass(frozen=True, slots=True)
class Measure:
    """The search's next step: measure these clocks."""

    kind: RoundKind
    clocks_mhz: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """The end of the search: confirm this clock and stock in fresh launches, and report what those measure."""

    clock_mhz: int
    regret_bound: float
    """Energy above the lowest, as a fraction, that is not exceeded with 95 % confidence according to the parabola."""
    near_mhz: tuple[int, int]
    """Lowest and highest clock whose energy the cells cannot tell from that of the found one."""
    reason: str | None = None
    """Why the search ended before the bound was below its target; None: it is below."""


def next_step(
    tried: Sequence[Tried], allowed: ClockRange, target: float = 0.01, max_cells: int = 28
) -> Measure | Found:
    """Return what to measure next, or the end of the search.

    tried: all cells so far. allowed: the clocks to look among. target: the regret bound, as a fraction of the energy,
    at which to stop. max_cells: number of cells after which to stop without having reached it.
    """
    if not tried:
        return Measure("range", first_round(allowed), f"{CLOCKS_OVER_RANGE} clocks over the whole range")
    best = _lowest_clock(tried)
    clocks = second_round(tried, allowed)
    if len({cell.clock_mhz for cell in tried}) <= CLOCKS_OVER_RANGE and clocks and len(tried) < max_cells:
        return Measure("near", clocks, f"within {100 * AROUND_FRACTION:.0f} % of {best} MHz, the lowest so far")
    found = lowest_by_parabola(tried, allowed)
    if found.regret_bound <= target:
        return found
    if math.isinf(found.regret_bound) and not clocks:
        return replace(
            found, reason="the range has no further clock near the lowest: too few for a bound on the regret"
        )
    if len(tried) >= max_cells:
        return replace(found, reason=_what_more_costs(len(tried), found.regret_bound, target))
    low, high = found.near_mhz
    clocks = tuple(sorted({allowed.snapped(clock) for clock in (low, found.clock_mhz, high)}))
    bound = "unknown" if math.isinf(found.regret_bound) else f"{found.regret_bound:.1%}"
    return Measure("again", clocks, f"the regret bound is {bound}: the best again, and the ends of its ties")


def _what_more_costs(num_cells: int, bound: float, target: float) -> str:
    """Say how many cells more it would take: standard errors fall with the root of their number."""
    if math.isinf(bound):
        return f"{num_cells} cells are spent on too few clocks for a bound on the regret; raise max_cells"
    more = max(1, math.ceil(num_cells * ((bound / target) ** 2 - 1)))
    if more > MOST_TIMES_MORE * num_cells:
        return (
            f"{num_cells} cells are spent and the bound is {bound:.1%}, far from {target:.1%}: cells vary too much for "
            "more of them to help; lengthen duration_s, or accept a larger target_regret_fraction"
        )
    return f"{num_cells} cells are spent; about {more} more would bring the bound from {bound:.1%} under {target:.1%}"


def first_round(allowed: ClockRange) -> tuple[int, ...]:
    """Return five clocks, evenly spaced over the range, both ends among them."""
    return _spaced(allowed.low_mhz, allowed.high_mhz, CLOCKS_OVER_RANGE, allowed)


def second_round(tried: Sequence[Tried], allowed: ClockRange) -> tuple[int, ...]:
    """Return up to six clocks within 40 % of the lowest so far: those that no measured one is near to."""
    best = _lowest_clock(tried)
    clocks = _spaced(best * (1 - AROUND_FRACTION), best * (1 + AROUND_FRACTION), CLOCKS_NEAR, allowed)
    spacing_mhz = (clocks[-1] - clocks[0]) / (CLOCKS_NEAR - 1)
    known = {cell.clock_mhz for cell in tried}
    return tuple(
        clock for clock in clocks if min(abs(clock - measured) for measured in known) > KNOWN_FRACTION * spacing_mhz
    )


def _spaced(low_mhz: float, high_mhz: float, number: int, allowed: ClockRange) -> tuple[int, ...]:
    low, high = max(low_mhz, allowed.low_mhz), min(high_mhz, allowed.high_mhz)
    return tuple(sorted({allowed.snapped(clock) for clock in np.linspace(low, high, number)}))


def _lowest_clock(tried: Sequence[Tried]) -> int:
    """Return the clock of lowest mean energy."""
    by_clock: dict[int, list[float]] = {}
    for cell in tried:
        by_clock.setdefault(cell.clock_mhz, []).append(math.log(cell.energy_ratio))
    return min(by_clock, key=lambda clock: (float(np.mean(by_clock[clock])), -clock))


def lowest_by_parabola(tried: Sequence[Tried], allowed: ClockRange) -> Found:
    """Return the lowest clock, by a parabola of ln E over ln f through all cells within 40 % of the lowest clock.

    The regret bound is the upper 95 % bound of E(chosen) / E(g) - 1, largest over all clocks g of that range:
    differences of the parabola have a standard error from its residuals. With fewer than four clocks there are no
    residuals: the lowest measured clock is taken, and the bound is infinite.
    """
    centre = _lowest_clock(tried)
    reach_mhz = AROUND_FRACTION * centre + allowed.step_mhz / 2  # its ends were snapped to the grid
    near = [cell for cell in tried if abs(cell.clock_mhz - centre) <= reach_mhz]
    clocks = sorted({cell.clock_mhz for cell in near})
    if len(clocks) < MIN_CLOCKS_OF_A_PARABOLA:
        return Found(centre, math.inf, (clocks[0], clocks[-1]))
    design = _terms(np.array([cell.clock_mhz for cell in near]), centre)
    logs = np.log([cell.energy_ratio for cell in near])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ logs
    degrees = len(near) - 3
    variance = float(((logs - design @ coefficients) ** 2).sum()) / degrees
    grid = np.arange(clocks[0], clocks[-1] + 1, allowed.step_mhz)
    fitted = _terms(grid, centre) @ coefficients
    chosen = int(grid[int(np.argmin(fitted))])
    contrasts = _terms(np.array([chosen]), centre) - _terms(grid, centre)
    errors = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", contrasts, inverse, contrasts) * variance, 0))
    bounds = contrasts @ coefficients + float(stdtrit(degrees, CONFIDENCE)) * errors
    tied = grid[bounds >= 0]
    return Found(chosen, math.expm1(float(bounds.max())), (int(tied.min()), int(tied.max())))


def _terms(clocks_mhz: NDArray[np.int_], centre_mhz: float) -> NDArray[np.float64]:
    logs = np.log(clocks_mhz / centre_mhz)
    return np.stack([np.ones_like(logs), logs, logs**2], axis=1)
