"""Ways to say how two deployments differ: each gives, for every ratio, an interval and a p-value.

All take values of baseline and other (pools x cells x launches) and return arrays of pools x cells.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import polygamma, psi, stdtr, stdtrit
from scipy.stats import mannwhitneyu
from studies import Array

from llmdvfs.comparison.groups import MARGIN_FRACTION
from llmdvfs.comparison.statistics import LEAST_OF_USUAL, MAX_POOL_DEGREES, POOL_SHARE
from llmdvfs.records.compared import MIN_CLAIM_LAUNCHES


class Claims(NamedTuple):
    """What a method says of every ratio."""

    low: Array
    high: Array
    p_value: Array
    equal_p_value: Array | None = None
    """Two one-sided tests of a ratio within the margin; None: the method has none."""


def arithmetic(baseline: Array, other: Array) -> Claims:
    """Welch's interval of the difference of arithmetic means, over the baseline's mean, plus 1."""
    n = baseline.shape[-1]
    errors = [side.var(axis=-1, ddof=1) / n for side in (baseline, other)]
    error = np.sqrt(sum(errors))
    degrees = sum(errors) ** 2 / sum(own**2 / (n - 1) for own in errors)
    mean, difference = baseline.mean(axis=-1), other.mean(axis=-1) - baseline.mean(axis=-1)
    half = stdtrit(degrees, 0.975) * error
    return Claims(
        1 + (difference - half) / mean, 1 + (difference + half) / mean, 2 * stdtr(degrees, -np.abs(difference / error))
    )


def hyperfine(baseline: Array, other: Array) -> Claims:
    """Ratio of means +- the standard deviations' propagated error, read as an interval; a claim where it excludes 1."""
    means = baseline.mean(axis=-1), other.mean(axis=-1)
    relative = [side.std(axis=-1, ddof=1) / mean for side, mean in zip((baseline, other), means, strict=True)]
    ratio = means[1] / means[0]
    half = ratio * np.sqrt(relative[0] ** 2 + relative[1] ** 2)
    excludes = (ratio - half > 1) | (ratio + half < 1)
    return Claims(ratio - half, ratio + half, np.where(excludes, 0.0, 1.0))


def benchstat(baseline: Array, other: Array) -> Claims:
    """Mann-Whitney's exact test of a difference; it gives no interval of the ratio."""
    nothing = np.full(baseline.shape[:-1], np.nan)
    p_value = mannwhitneyu(baseline, other, axis=-1, method="exact").pvalue
    return Claims(nothing, nothing, np.asarray(p_value))


def student(baseline: Array, other: Array) -> Claims:
    """Student's interval of the mean log ratio of paired launches."""
    mean, variance, n = _log_ratios(baseline, other)
    return _claims(mean, variance / n, np.full(mean.shape, n - 1.0))


def smyth(baseline: Array, other: Array) -> Claims:
    """Variance shrunk to the pool's, the prior's degrees of freedom estimated (Smyth 2004, section 6.2)."""
    mean, variance, n = _log_ratios(baseline, other)
    own = n - 1.0
    logs = np.log(np.maximum(variance, 1e-300)) - psi(own / 2) + np.log(own / 2)
    extra = logs.var(axis=1, ddof=1) - polygamma(1, own / 2)
    prior = np.where(extra > 0, 2 * _inverse_trigamma(np.maximum(extra, 1e-6)), 1e6)
    of_pool = np.exp(logs.mean(axis=1) + psi(prior / 2) - np.log(prior / 2))
    return _moderated(mean, variance, n, of_pool[:, None], prior[:, None])


def four_degrees(baseline: Array, other: Array) -> Claims:
    """Variance shrunk to the mean of all of the pool's, its own among them, with 4 degrees of freedom."""
    mean, variance, n = _log_ratios(baseline, other)
    return _moderated(mean, variance, n, variance.mean(axis=1, keepdims=True), np.array(4.0))


def of_others(baseline: Array, other: Array) -> Claims:
    """Variance shrunk to the mean of the pool's other cells, a third of whose degrees of freedom count, 4 at most."""
    mean, variance, n = _log_ratios(baseline, other)
    cells = variance.shape[1]
    others = (variance.sum(axis=1, keepdims=True) - variance) / (cells - 1)
    return _moderated(mean, variance, n, others, np.array(min(4.0, POOL_SHARE * (cells - 1) * (n - 1))))


def of_others_geometric(baseline: Array, other: Array) -> Claims:
    """Variance shrunk to the others' geometric mean; a third of their degrees of freedom counts, 2 at most."""
    return _of_others(baseline, other, least=0.0)


def chosen(baseline: Array, other: Array) -> Claims:
    """The same, and never less than 0.9 of what is usual; of two launches no difference is claimed."""
    claims = _of_others(baseline, other, least=LEAST_OF_USUAL)
    few = baseline.shape[-1] < MIN_CLAIM_LAUNCHES
    return claims._replace(p_value=np.ones_like(claims.p_value)) if few else claims


def _of_others(baseline: Array, other: Array, least: float) -> Claims:
    mean, variance, n = _log_ratios(baseline, other)
    cells, own = variance.shape[1], n - 1.0
    logs = np.log(variance) - psi(own / 2) + np.log(own / 2)
    others = np.exp((logs.sum(axis=1, keepdims=True) - logs) / (cells - 1))
    weight = np.array(min(MAX_POOL_DEGREES, POOL_SHARE * (cells - 1) * own))
    return _moderated(mean, variance, n, others, weight, least)


METHODS: dict[str, Callable[[Array, Array], Claims]] = {
    "arithmetic means, t": arithmetic,
    "hyperfine's way": hyperfine,
    "benchstat's way": benchstat,
    "logs, t": student,
    "logs, shrunk, prior estimated": smyth,
    "logs, shrunk, 4 df": four_degrees,
    "logs, shrunk to others, up to 4 df": of_others,
    "logs, shrunk to others, up to 2 df": of_others_geometric,
    "the same, 0.9 of the usual at least": chosen,
}


def _log_ratios(baseline: Array, other: Array) -> tuple[Array, Array, int]:
    logs = np.log(other / baseline)
    return logs.mean(axis=-1), logs.var(axis=-1, ddof=1), logs.shape[-1]


def _moderated(mean: Array, variance: Array, n: int, of_pool: Array, weight: Array, least: float = 0.0) -> Claims:
    degrees = weight + n - 1
    shrunk = np.maximum((weight * of_pool + (n - 1) * variance) / degrees, least * of_pool)
    return _claims(mean, shrunk / n, np.broadcast_to(degrees, mean.shape))


def _claims(mean: Array, error_squared: Array, degrees: Array) -> Claims:
    error = np.sqrt(error_squared)
    half = stdtrit(degrees, 0.975) * error
    return Claims(
        np.exp(mean - half),
        np.exp(mean + half),
        2 * stdtr(degrees, -np.abs(mean) / error),
        stdtr(degrees, (np.abs(mean) - np.log1p(MARGIN_FRACTION)) / error),
    )


def _inverse_trigamma(values: Array) -> Array:
    """Newton's method as in Smyth 2004, appendix."""
    found = 0.5 + 1 / values
    for _ in range(20):
        trigamma = polygamma(1, found)
        found = found + trigamma * (1 - trigamma / values) / polygamma(2, found)
    return np.asarray(found)
