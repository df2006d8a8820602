"""Power and time as laws of the clock: a description of a sweep, refused where it does not fit.

P = A + B f^(1+a): static power and switching power C V^2 f, with the voltage following the clock; T ~ f^-b: b is the
share of the time that follows the core clock. Knees, power caps and voltage floors break both, so that no clock is
chosen by it.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import curve_fit

from llmdvfs.records.answers import PhysicalFit

MIN_CLOCKS = 5  # three parameters, and two points to contradict them
MAX_RESIDUAL_FRACTION = 0.03  # three times the usual spread between launches: more is shape, not noise


def physical_fit(
    power_by_clock: Mapping[float, float], time_by_clock: Mapping[float, float]
) -> tuple[PhysicalFit | None, str | None]:
    """Return the fit, or None and why there is none.

    power_by_clock, time_by_clock: held clock [MHz] -> watts and seconds.
    """
    if len(power_by_clock) < MIN_CLOCKS:
        return None, f"{len(power_by_clock)} clocks; the law has three parameters and needs {MIN_CLOCKS} clocks"
    clocks = np.array(sorted(power_by_clock))
    power, time = (np.array([table[clock] for clock in clocks]) for table in (power_by_clock, time_by_clock))
    relative = clocks / clocks.max()
    try:
        (static, dynamic, exponent), _ = curve_fit(
            _power, relative, power, p0=(power.min() / 2, power.max() / 2, 2.0), bounds=((0, 0, 1), (np.inf, np.inf, 6))
        )
    except RuntimeError as error:
        return None, f"no fit of P = A + B f^(1+a): {error}"
    slope, level = np.polyfit(np.log(relative), np.log(time), 1)
    misses = {
        "power": np.abs(_power(relative, static, dynamic, exponent) / power - 1),
        "time": np.abs(np.exp(level + slope * np.log(relative)) / time - 1),
    }
    quantity = max(misses, key=lambda name: float(misses[name].max()))
    worst = float(misses[quantity].max())
    if worst > MAX_RESIDUAL_FRACTION:
        at = clocks[int(misses[quantity].argmax())]
        return None, f"{quantity} departs from the law by {worst:.1%} at {at:g} MHz: a knee, a cap or a voltage floor"
    return PhysicalFit(float(static), float(exponent), float(-slope), worst), None


def _power(relative: np.ndarray, static: float, dynamic: float, exponent: float) -> np.ndarray:
    return static + dynamic * relative**exponent
