"""Mann and Kendall's test of a trend, as `scipy.stats.kendalltau` makes it of a series and its positions.

That package takes a third of a second to import, which is more than most cells take to analyse; a test holds the two
together.
"""

import math

import numpy as np
import numpy.typing as npt


def mann_kendall_p(values: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p-value of the hypothesis that equidistant values, at least three, have no trend.

    Without ties it is exact: the share of all orders whose number of falling pairs is as far from the middle as this
    one's. With ties, whose values must not all be equal, it is that of the normal approximation with the variance
    corrected for them (M. G. Kendall, Rank Correlation Methods, 4th edition, section 4.4).
    """
    n = len(values)
    rising = np.sign(values[None, :] - values[:, None])[np.triu_indices(n, 1)]
    _, tied = np.unique(values, return_counts=True)
    if tied.max() == 1:
        fewer = min(int((rising < 0).sum()), int((rising > 0).sum()))
        return min(1.0, 2 * float(_falling_pairs(n)[: fewer + 1].sum()))
    variance = (n * (n - 1) * (2 * n + 5) - int((tied * (tied - 1) * (2 * tied + 5)).sum())) / 18
    return math.erfc(abs(float(rising.sum())) / math.sqrt(2 * variance))


def _falling_pairs(n: int) -> npt.NDArray[np.float64]:
    """Return how probable each number of falling pairs is among all orders of n values.

    The k-th value falls below 0 to k - 1 of those before it, each number as likely.
    """
    probability = np.ones(1)
    for k in range(2, n + 1):
        probability = np.convolve(probability, np.full(k, 1 / k))
    return probability
