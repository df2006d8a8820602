"""Energy between measured clocks, without a model of the GPU.

Monotone cubics (PCHIP) of ln E over ln f: over public sweeps of three GPUs they do better out of sample than a power
law, which knees, caps and voltage floors break. Never across a batch step: one load, one curve.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.interpolate import PchipInterpolator

from llmdvfs.records.answers import Between

MIN_CLOCKS = 4  # with fewer, the curve is made of its end slopes alone
NUM_STEPS = 2001  # of the range, on the logarithm: finer than any GPU's step
NEAR_FRACTION = 0.01  # energies closer than this are one: launches of one point differ by as much


def energy_curve(energy_by_clock: Mapping[float, float]) -> PchipInterpolator:
    """Return ln E as a function of ln f through all points.

    energy_by_clock: clock [MHz] -> energy in any unit; at least two.
    """
    clocks = sorted(energy_by_clock)
    return PchipInterpolator(np.log(clocks), np.log([energy_by_clock[clock] for clock in clocks]))


def lowest_between(energy_by_clock: Mapping[float, float]) -> Between | None:
    """Return where the energy is lowest and how far around it stays near; None below four clocks.

    A monotone cubic's minimum is always at a measured clock, so the lowest place is that of the parabola through the
    lowest clock and its two neighbours, and an end of the range where that is the lowest. How far the energy stays
    within 1 % of the lowest is read off the curve, on both sides until it first leaves.
    """
    if len(energy_by_clock) < MIN_CLOCKS:
        return None
    clocks = sorted(energy_by_clock)
    logs = [math.log(energy_by_clock[clock]) for clock in clocks]
    k = int(np.argmin(logs))
    place, gain = math.log(clocks[k]), 0.0
    if 0 < k < len(clocks) - 1:
        a, b, c = np.polyfit(np.log(clocks[k - 1 : k + 2]) - place, np.array(logs[k - 1 : k + 2]) - logs[k], 2)
        place, gain = place - b / (2 * a), c - b**2 / (4 * a)
    low, high = _near(energy_by_clock, clocks[k], logs[k])
    return Between(math.exp(place), math.exp(gain), low, high)


def _near(energy_by_clock: Mapping[float, float], best_mhz: float, lowest: float) -> tuple[float, float]:
    grid = np.linspace(math.log(min(energy_by_clock)), math.log(max(energy_by_clock)), NUM_STEPS)
    far = energy_curve(energy_by_clock)(grid) > lowest + math.log1p(NEAR_FRACTION)
    below, above = grid[far & (grid < math.log(best_mhz))], grid[far & (grid > math.log(best_mhz))]
    return math.exp(below.max() if below.size else grid[0]), math.exp(above.min() if above.size else grid[-1])
