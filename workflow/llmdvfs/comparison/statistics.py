"""Interval estimates over independent replicates (docs/metrics.md#comparison); requests are never pooled."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev, variance

from scipy.special import stdtrit

from llmdvfs.records.result import Estimate

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> Estimate:
    """Return the mean with Student's t-interval; below two values there is no interval, below one no mean."""
    if not values:
        return Estimate(None, reason="not measured")
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean, reason="one server start: no interval")
    half = _t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def positive_mean_interval(values: Sequence[float]) -> Estimate:
    """Return the geometric mean with the t-interval of its log, which never reaches 0; all values must be above 0.

    Times, rates and energies of server starts spread by factors: an interval of their arithmetic mean reaches below 0.
    """
    if len(values) < 2:
        return mean_interval(values)
    return _exponentiated(mean_interval([math.log(value) for value in values]))


def paired_ratio(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """Return the geometric mean of other / baseline over (baseline, other) pairs, with the t-interval of its log."""
    if any(not _positive(value) for pair in pairs for value in pair):
        return Estimate(None, reason="a value is not above 0: it has no ratio")
    logs = mean_interval([math.log(other / baseline) for baseline, other in pairs])
    return _exponentiated(logs)


def unpaired_ratio(baseline: Sequence[float], other: Sequence[float]) -> Estimate:
    """Return the ratio of the geometric means, other / baseline, with Welch's t-interval of its log."""
    if any(not _positive(value) for value in (*baseline, *other)):
        return Estimate(None, reason="a value is not above 0: it has no ratio")
    if not baseline or not other:
        return Estimate(None, reason="not measured on both sides")
    logs_a, logs_b = [math.log(value) for value in baseline], [math.log(value) for value in other]
    difference = fmean(logs_b) - fmean(logs_a)
    if len(logs_a) < 2 or len(logs_b) < 2:
        return _exponentiated(Estimate(difference, reason="one server start: no interval"))
    half = _welch_half_width(logs_a, logs_b)
    return _exponentiated(Estimate(difference, difference - half, difference + half))


def _welch_half_width(a: Sequence[float], b: Sequence[float]) -> float:
    """Half width of Welch's interval of mean(b) - mean(a), degrees of freedom by Satterthwaite."""
    error_a, error_b = variance(a) / len(a), variance(b) / len(b)
    error = error_a + error_b
    if error == 0:
        return 0.0
    dof = 1 / ((error_a / error) ** 2 / (len(a) - 1) + (error_b / error) ** 2 / (len(b) - 1))
    return _t_quantile(dof) * math.sqrt(error)


def _t_quantile(dof: float) -> float:
    return float(stdtrit(dof, 0.5 + CONFIDENCE / 2))


def _exponentiated(log: Estimate) -> Estimate:
    """Map an estimate of a log-ratio to the ratio."""
    value, low, high = (None if x is None else math.exp(x) for x in (log.value, log.low, log.high))
    return Estimate(value, low, high, log.reason)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
