"""Running energy of a device: the one place where readings of a counter, or of power, add up."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def counted_j(counter_j: Floats) -> Floats:
    """Return the energy used since the first reading of a counter, at each reading [J].

    It never falls: a counter goes back when its driver is loaded anew, and what was used meanwhile is not known.
    """
    return np.concatenate(([0.0], np.cumsum(np.maximum(np.diff(counter_j), 0.0))))


def integrated_j(t_s: Floats, power_w: Floats) -> Floats:
    """Return the running integral of readings of power by the trapezoidal rule, 0 at the first, at each reading [J]."""
    return np.concatenate(([0.0], np.cumsum(np.diff(t_s) * (power_w[1:] + power_w[:-1]) / 2)))
