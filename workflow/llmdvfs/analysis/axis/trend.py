"""The trend of an equidistant series: whether it has one, and how large it is (docs/metrics.md#steady-state)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats


@dataclass(frozen=True, slots=True)
class Trend:
    """How much a series changes over its own length; drift and error are shares of its mean."""

    p_value: float
    """Of Mann-Kendall's test, corrected for ties (Kendall's tau-b)."""
    drift: float
    """Slope of the least-squares line, times the length. (The median of all slopes, Theil and Sen's, is 0 in a series
    that falls in few steps: most pairs are ties.)"""
    error: float
    """Half the 90 % interval of the drift, by Student's t with n - 2 degrees of freedom."""

    @property
    def largest_drift(self) -> float:
        """The largest drift, up or down, that the series leaves possible at 95 %."""
        return abs(self.drift) + self.error

    def __str__(self) -> str:
        return f"Mann-Kendall p = {self.p_value:.2g}, drift {self.drift:+.1%} ± {self.error:.1%} over the window"


def trend(values: npt.NDArray[np.float64]) -> Trend:
    """Return the trend of at least three equidistant values with a mean above 0; none where all are equal."""
    if values.min() == values.max():
        return Trend(1.0, 0.0, 0.0)
    position = np.arange(values.size)
    line = stats.linregress(position, values)
    per_slope = values.size / float(values.mean())
    error = float(stats.t.ppf(0.95, values.size - 2)) * float(line.stderr)
    return Trend(float(stats.kendalltau(position, values).pvalue), float(line.slope) * per_slope, error * per_slope)
