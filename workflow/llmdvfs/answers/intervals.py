"""Ratios, bounds and ties over launches; all on logarithms, because clocks act by factors."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from llmdvfs.records.result import Estimate

CONFIDENCE = 0.95
ONE_LAUNCH = "one launch: no interval"


def paired_ratio(stock: Mapping[int, float], other: Mapping[int, float]) -> Estimate:
    """Return other / stock over the launches that have both, with Student's interval of the mean log ratio."""
    logs = [math.log(other[launch] / stock[launch]) for launch in sorted(stock.keys() & other.keys())]
    return ratio_of_logs(logs)


def ratio_of_logs(logs: Sequence[float]) -> Estimate:
    """Return exp(mean) with its 95 % interval; no interval below two values, no ratio below one."""
    if not logs:
        return Estimate(None, reason="no launch has both the point and stock")
    mean = float(np.mean(logs))
    if len(logs) < 2:
        return Estimate(math.exp(mean), reason=ONE_LAUNCH)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1) * stats.sem(logs))
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def upper_bound(values: Sequence[float]) -> float | None:
    """Return the one-sided 95 % upper bound of the geometric mean; None below two values."""
    if len(values) < 2:
        return None
    logs = np.log(values)
    return math.exp(float(logs.mean() + stats.t.ppf(CONFIDENCE, len(logs) - 1) * stats.sem(logs)))


def ties_with_lowest(energy_j: Mapping[str, Mapping[int, float]]) -> set[str]:
    """Return the points whose energy is not distinguishable from the lowest one's, that one included.

    energy_j: point -> launch -> energy. Only launches that have all points count. ln E is point + launch + noise, and
    the noise's variance is pooled over all points, (points - 1) x (launches - 1) degrees of freedom: three launches
    alone would leave two, and would tell nothing apart. One-sided at 95 % a point. One launch tells none apart.
    """
    launches = sorted(set.intersection(*(set(values) for values in energy_j.values())))
    names = list(energy_j)
    if len(launches) < 2 or len(names) < 2:
        return set(names)
    logs = np.log([[energy_j[name][launch] for launch in launches] for name in names])
    means = logs.mean(axis=1)
    residuals = logs - means[:, None] - logs.mean(axis=0)[None, :] + logs.mean()
    degrees = (len(names) - 1) * (len(launches) - 1)
    noise = math.sqrt(float((residuals**2).sum()) / degrees)
    margin = float(stats.t.ppf(CONFIDENCE, degrees)) * noise * math.sqrt(2 / len(launches))
    return {name for name, mean in zip(names, means, strict=True) if mean - means.min() <= margin}
