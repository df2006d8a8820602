"""Interval estimates over independent replicates (docs/statistics.md); requests are never pooled.

Everything positive is taken on logarithms: times, rates and energies of server starts spread by factors. The variance
of a few starts says little of the true one, so it is shrunk towards what is usual for the metric in the study, as in
the moderated t-test (Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004, section 3). Its prior's
degrees of freedom are given instead of estimated: a study has too few deployments and workloads to estimate them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev, variance

from scipy.special import psi, stdtr, stdtrit  # not the slow scipy.stats: a second

from llmdvfs.records.result import Estimate

CONFIDENCE = 0.95
MAX_POOL_DEGREES = 2.0  # what the pool counts for; more would overrule a cell that really varies more than others
# The pool's cells share baselines and starts, so its degrees of freedom are fewer than they look (docs/statistics.md).
POOL_SHARE = 1 / 3
# A cell whose few starts agree better than usual has most often been lucky: its variance is taken for no less than this
# share of the usual one, or the narrowest intervals would be those that hold the truth least often.
LEAST_OF_USUAL = 0.9
MIN_VARIANCE = 1e-18  # of logs: values that differ by less than 1e-9 are all alike but for roundings


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of logarithms between server starts, and the degrees of freedom with which it is known."""

    variance: float
    degrees: float


@dataclass(frozen=True, slots=True)
class LogMean:
    """Mean of logarithms over server starts, or the difference of two such means."""

    value: float
    spread: Spread | None
    """Spread of one start; None: there is one start, or none."""
    scale: float
    """Variance of the mean over the variance of one start: 1 / n where it is a mean of n starts."""
    pool_degrees: float = 0.0
    """How many of the spread's degrees of freedom come from the pool."""

    def shrunk(self, usual: Spread | None) -> "LogMean":
        """Return the same mean with its variance shrunk towards what is usual elsewhere.

        usual: None, where nothing is known of it, leaves the variance. The pool counts for a third of its degrees of
        freedom, and for MAX_POOL_DEGREES at most; the variance is no less than LEAST_OF_USUAL of the usual one.
        """
        if self.spread is None or usual is None:
            return self
        weight, own = min(MAX_POOL_DEGREES, POOL_SHARE * usual.degrees), self.spread
        together = weight + own.degrees
        variance = (weight * usual.variance + own.degrees * own.variance) / together
        shrunk = Spread(max(variance, LEAST_OF_USUAL * usual.variance), together)
        return replace(self, spread=shrunk, pool_degrees=weight)

    def interval(self) -> Estimate:
        """Return the exponential of the mean with its 95 % interval: a geometric mean, or a ratio of two."""
        if self.spread is None:
            return Estimate(math.exp(self.value), reason="one server start: no interval")
        half = float(stdtrit(self.spread.degrees, (1 + CONFIDENCE) / 2)) * self._error(self.spread)
        return Estimate(math.exp(self.value), math.exp(self.value - half), math.exp(self.value + half))

    def p_value(self) -> float | None:
        """Return the two-sided p-value that the true value is 0, that is, a ratio of 1; None without a spread."""
        if self.spread is None or self.spread.variance <= MIN_VARIANCE:
            return None
        below, above = self.p_not_below(0.0), self.p_not_above(0.0)
        return None if below is None or above is None else min(1.0, 2 * min(below, above))

    def p_not_below(self, limit: float) -> float | None:
        """Return the one-sided p-value that the true value is `limit` or more; None without a spread."""
        return self._tail(self.value - limit)

    def p_not_above(self, limit: float) -> float | None:
        """Return the one-sided p-value that the true value is `limit` or less; None without a spread."""
        return self._tail(limit - self.value)

    def num_more(self, width: float, most: int) -> int | None:
        """Return how many more starts bring the half width below `width` if they spread alike; at most `most`.

        None without a spread, or where the scale is not that of a mean over starts.
        """
        if self.spread is None:
            return None
        n = round(1 / self.scale)
        for more in range(most):
            degrees = self.pool_degrees + n + more - 1
            if float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(self.spread.variance / (n + more)) <= width:
                return more
        return most

    def _error(self, spread: Spread) -> float:
        return math.sqrt(spread.variance * self.scale)

    def _tail(self, distance: float) -> float | None:
        if self.spread is None:
            return None
        error = self._error(self.spread)
        if error == 0:
            return 0.0 if distance < 0 else 1.0
        return float(stdtr(self.spread.degrees, distance / error))


def usual_elsewhere(spreads: Sequence[Spread | None]) -> list[Spread | None]:
    """Return for each spread what is usual among the others, with all their degrees of freedom; None: none varies.

    It is the geometric mean: of cells whose variances differ by orders of magnitude, as those of a light and of a
    saturated load do, the largest must not speak for all. The log of a sample variance lies below that of the true one
    on average, by ln(d/2) - digamma(d/2) with d degrees of freedom (Smyth 2004, section 6.2): that is added.
    """
    logs = [
        0.0 if own is None else math.log(own.variance) + math.log(own.degrees / 2) - float(psi(own.degrees / 2))
        for own in (own if own and own.variance > MIN_VARIANCE else None for own in spreads)
    ]
    degrees = [own.degrees if own and own.variance > MIN_VARIANCE else 0.0 for own in spreads]
    total, num_varied = sum(degrees), sum(own > 0 for own in degrees)
    weighted = sum(own * log for own, log in zip(degrees, logs, strict=True))
    return [
        Spread(math.exp((weighted - own * log) / (total - own)), total - own) if num_varied > (own > 0) else None
        for own, log in zip(degrees, logs, strict=True)
    ]


def log_mean(values: Sequence[float]) -> LogMean:
    """Return the mean of the logarithms of values that are all above 0, one value a server start."""
    logs = [math.log(value) for value in values]
    return LogMean(_mean(logs), _spread(logs), 1 / len(logs))


def log_ratio(baseline: Sequence[float], other: Sequence[float]) -> LogMean:
    """Return the difference other - baseline of mean logarithms, for starts that do not pair (Welch, Satterthwaite).

    Its spread is that of a launch's ratio, so that paired and unpaired ratios of a metric have one pool.
    """
    ours, theirs = log_mean(baseline), log_mean(other)
    scale = (ours.scale + theirs.scale) / 2
    if ours.spread is None or theirs.spread is None:
        return LogMean(theirs.value - ours.value, None, scale)
    parts = [(side.spread.variance * side.scale, side.spread.degrees) for side in (ours, theirs) if side.spread]
    error = sum(part for part, _ in parts)
    fewest = sum(degrees for _, degrees in parts)
    degrees = error**2 / sum(part**2 / degrees for part, degrees in parts) if error > 0 else fewest
    return LogMean(theirs.value - ours.value, Spread(error / scale, degrees), scale)


def mean_interval(values: Sequence[float]) -> Estimate:
    """Return the arithmetic mean with Student's t-interval; below two values no interval, below one no mean."""
    if not values:
        return Estimate(None, reason="not measured")
    mean = _mean(values)
    if len(values) < 2:
        return Estimate(mean, reason="one server start: no interval")
    half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for all of them being asked at once (Holm, Scand. J. Statistics 6, 1979).

    Rejecting where an adjusted value is below 5 % rejects any true hypothesis in at most 5 % of studies, however the
    values depend on each other.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted


def _mean(values: Sequence[float]) -> float:
    """Return the mean, which of equal values is exactly that value."""
    return values[0] if len(set(values)) == 1 else fmean(values)


def _spread(logs: Sequence[float]) -> Spread | None:
    if len(logs) < 2:
        return None
    return Spread(variance(logs) if len(set(logs)) > 1 else 0.0, len(logs) - 1)
