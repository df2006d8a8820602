"""Which clocks to measure next: two rounds of seven, then further ones while the bound on the regret is too wide.

Pure: it gets what was measured, and returns the next clocks or the end. Golden section and halving ask for the sign of
a difference that noise hides near a flat bottom; a physical fit is wrong by its shape. A parabola of ln E over ln f,
around the lowest clock only, uses all cells of the neighbourhood at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CLOCKS_A_ROUND = 7
AROUND_FRACTION = 0.25  # of the best clock, on both sides: the second round, and the parabola's range
CONFIDENCE = 0.95
MIN_CLOCKS_OF_A_PARABOLA = 4  # three parameters and one to contradict them


@dataclass(frozen=True, slots=True)
class Range:
    """The clocks that a GPU can be set to and hold under this load, from a probe."""

    low_mhz: int
    high_mhz: int
    step_mhz: int = 15

    def snapped(self, clock_mhz: float) -> int:
        """Return the nearest clock of the GPU's grid inside the range."""
        steps = round((min(max(clock_mhz, self.low_mhz), self.high_mhz) - self.low_mhz) / self.step_mhz)
        return self.low_mhz + steps * self.step_mhz


@dataclass(frozen=True, slots=True)
class Tried:
    """One measured cell: the core clock asked, and the energy relative to stock of the same launch."""

    clock_mhz: int
    energy_ratio: float


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure these clocks next."""

    clocks_mhz: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """The search is over: confirm this clock and stock in fresh launches, and report what those measure."""

    clock_mhz: int
    regret_bound: float
    """Energy above the lowest, as a fraction, not exceeded with 95 % confidence by the parabola."""
    near_mhz: tuple[int, int]
    """Range of clocks whose energy the cells cannot tell from the found one's."""
    reason: str


def next_step(tried: Sequence[Tried], allowed: Range, target: float = 0.01, max_cells: int = 28) -> Measure | Found:
    """Return what to measure next, or the end of the search.

    target: the regret bound, as a fraction of the energy, to stop at; max_cells: where to stop without reaching it.
    """
    if not tried:
        return Measure(first_round(allowed), "seven clocks over the whole range")
    best = _lowest_clock(tried)
    if len({cell.clock_mhz for cell in tried}) <= CLOCKS_A_ROUND:
        clocks = second_round(tried, allowed)
        if clocks:
            return Measure(clocks, f"within 25 % of {best} MHz, the lowest so far")
    found = lowest_by_parabola(tried, allowed)
    if found.regret_bound <= target:
        return Found(found.clock_mhz, found.regret_bound, found.near_mhz, f"the regret bound is under {target:.1%}")
    if len(tried) >= max_cells:
        reason = (
            f"{len(tried)} cells measured and the regret bound is still {found.regret_bound:.1%}: more would cost more"
        )
        return Found(found.clock_mhz, found.regret_bound, found.near_mhz, reason)
    low, high = found.near_mhz
    clocks = tuple(sorted({allowed.snapped(clock) for clock in (low, found.clock_mhz, high)}))
    return Measure(clocks, f"the regret bound is {found.regret_bound:.1%}: the best again, and the ends of its ties")


def first_round(allowed: Range) -> tuple[int, ...]:
    """Return seven clocks, evenly spaced over the range, both ends among them."""
    return _spaced(allowed.low_mhz, allowed.high_mhz, allowed)


def second_round(tried: Sequence[Tried], allowed: Range) -> tuple[int, ...]:
    """Return seven clocks within 25 % of the lowest so far, without those that were measured."""
    best = _lowest_clock(tried)
    clocks = _spaced(best * (1 - AROUND_FRACTION), best * (1 + AROUND_FRACTION), allowed)
    return tuple(sorted(set(clocks) - {cell.clock_mhz for cell in tried}))


def _spaced(low_mhz: float, high_mhz: float, allowed: Range) -> tuple[int, ...]:
    low, high = max(low_mhz, allowed.low_mhz), min(high_mhz, allowed.high_mhz)
    return tuple(sorted({allowed.snapped(clock) for clock in np.linspace(low, high, CLOCKS_A_ROUND)}))


def _lowest_clock(tried: Sequence[Tried]) -> int:
    """Return the clock of lowest mean energy."""
    by_clock: dict[int, list[float]] = {}
    for cell in tried:
        by_clock.setdefault(cell.clock_mhz, []).append(math.log(cell.energy_ratio))
    return min(by_clock, key=lambda clock: (float(np.mean(by_clock[clock])), -clock))


def lowest_by_parabola(tried: Sequence[Tried], allowed: Range) -> Found:
    """Return the lowest clock by a parabola of ln E over ln f through all cells within 25 % of the lowest.

    The regret bound is the upper 95 % bound of E(chosen) / E(g) - 1, largest over all clocks g of that range:
    differences of the parabola have a standard error from its residuals. With fewer than four clocks there are no
    residuals: the lowest measured clock is taken, and the bound is infinite.
    """
    centre = _lowest_clock(tried)
    near = [cell for cell in tried if abs(cell.clock_mhz / centre - 1) <= AROUND_FRACTION + 1e-9]
    clocks = sorted({cell.clock_mhz for cell in near})
    if len(clocks) < MIN_CLOCKS_OF_A_PARABOLA:
        return Found(centre, math.inf, (clocks[0], clocks[-1]), "too few clocks for a parabola")
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
    bounds = contrasts @ coefficients + float(stats.t.ppf(CONFIDENCE, degrees)) * errors
    tied = grid[bounds >= 0]
    return Found(chosen, math.expm1(float(bounds.max())), (int(tied.min()), int(tied.max())), "parabola")


def _terms(clocks_mhz: NDArray[np.int_], centre_mhz: float) -> NDArray[np.float64]:
    logs = np.log(clocks_mhz / centre_mhz)
    return np.stack([np.ones_like(logs), logs, logs**2], axis=1)
