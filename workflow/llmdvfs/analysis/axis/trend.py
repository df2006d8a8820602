"""Trend of an equidistant series: whether there is one, and how large it is (docs/metrics.md#steady-state)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.mann_kendall import mann_kendall_p


@dataclass(frozen=True, slots=True)
class Trend:
    """By how much a series changes over its own length; drift and error are shares of its mean."""

    p_value: float
    """p-value of Mann and Kendall's test, corrected for ties (Kendall's tau-b)."""
    drift: float
    """Slope of the least-squares line times the length. (The median of all slopes, by Theil and Sen, is 0 in a series
    that falls in few steps, since most of its pairs are ties.)"""
    error: float
    """Half the width of the drift's 90 % interval, by Student's t with n - 2 degrees of freedom."""

    @property
    def largest_drift(self) -> float:
        """The largest drift, up or down, that the data leave possible at 95 %."""
        return abs(self.drift) + self.error

    def __str__(self) -> str:
        return f"Mann-Kendall p = {self.p_value:.2g}, drift {self.drift:+.1%} ± {self.error:.1%} over the window"


def trend(values: npt.NDArray[np.float64]) -> Trend:
    """Return the trend of at least three equidistant values with a mean above 0.

    Where all are equal, there is none: drift 0.
    """
    if values.min() == values.max():
        return Trend(1.0, 0.0, 0.0)
    from scipy.special import stdtrit  # here, since a cell that was merged has its window

    position = np.arange(values.size) - (values.size - 1) / 2
    sum_of_squares = float(position @ position)
    slope = float(position @ values) / sum_of_squares
    left = values - values.mean() - slope * position
    slope_error = float(np.sqrt(left @ left / (values.size - 2) / sum_of_squares))
    per_slope = values.size / float(values.mean())
    error = float(stdtrit(values.size - 2, 0.95)) * slope_error
    return Trend(mann_kendall_p(values), slope * per_slope, error * per_slope)
