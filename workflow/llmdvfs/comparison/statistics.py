"""Interval estimates over independent replicates (docs/metrics.md#comparison); requests are never pooled."""

import math
from collections.abc import Sequence
from statistics import fmean

from scipy import stats

from llmdvfs.records.result import Estimate

CONFIDENCE = 0.95


def mean_interval(values: Sequence[float]) -> Estimate:
    """Return the mean with Student's t-interval; below two values there is no interval, below one no mean."""
    if not values:
        return Estimate(None, reason="not measured")
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean, reason="one server start: no interval")
    if len(set(values)) == 1:  # no spread: the t-statistic would be 0 / 0
        return Estimate(mean, mean, mean)
    deviations = stats.ttest_1samp(_centred(values), 0.0).confidence_interval(CONFIDENCE)
    return Estimate(mean, mean + float(deviations.low), mean + float(deviations.high))


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
    if len(set(logs_a)) == len(set(logs_b)) == 1:
        return _exponentiated(Estimate(difference, difference, difference))
    welch = stats.ttest_ind(_centred(logs_b), _centred(logs_a), equal_var=False).confidence_interval(CONFIDENCE)
    return _exponentiated(Estimate(difference, difference + float(welch.low), difference + float(welch.high)))


def _centred(values: Sequence[float]) -> list[float]:
    """Return the values less their mean, so that values alike in all but their last digits keep their spread.

    scipy sees a spread of a few roundings beside a large mean as lost precision, and warns; equal values become 0.
    """
    mean = values[0] if len(set(values)) == 1 else fmean(values)
    return [value - mean for value in values]


def _exponentiated(log: Estimate) -> Estimate:
    """Map an estimate of a log-ratio to the ratio."""
    value, low, high = (None if x is None else math.exp(x) for x in (log.value, log.low, log.high))
    return Estimate(value, low, high, log.reason)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0
