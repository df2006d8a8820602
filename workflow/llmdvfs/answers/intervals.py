"""Ratios, bounds and ties over launches, all of them on logarithms, because clocks act by factors.

The comparison shrinks a variance towards what is usual for the metric elsewhere (comparison/statistics.py); a
saving's interval is plain Student's. The launches that confirm a search have two points and one stock, which both
ratios share: there is nothing independent to shrink towards. How often its interval holds the truth is simulated in
docs/dvfs.md#searching. Which points are told apart from the lowest is asked of all points of a load together: there
the noise is pooled.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit  # not the slow scipy.stats: a second

from llmdvfs.records.result import Estimate

CONFIDENCE = 0.95
ONE_LAUNCH = "one launch: no interval"


def paired_ratio(stock: Mapping[int, float], other: Mapping[int, float]) -> Estimate:
    """Return other / stock over the launches that have both, with Student's interval of the mean log ratio.

    stock, other: launch -> value above 0.
    """
    logs = [math.log(other[launch] / stock[launch]) for launch in sorted(stock.keys() & other.keys())]
    return ratio_of_logs(logs)


def ratio_of_logs(logs: Sequence[float]) -> Estimate:
    """Return exp(mean of the logarithms) with its 95 % interval; no interval below two values, no ratio below one."""
    if not logs:
        return Estimate(None, reason="no launch has both the point and stock")
    mean = float(np.mean(logs))
    if len(logs) < 2:
        return Estimate(math.exp(mean), reason=ONE_LAUNCH)
    half = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2) * _standard_error(logs))
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def upper_bound(values: Sequence[float]) -> float | None:
    """Return the one-sided 95 % upper bound of the geometric mean; None below two values."""
    if len(values) < 2:
        return None
    logs = np.log(values)
    return math.exp(float(logs.mean() + stdtrit(len(logs) - 1, CONFIDENCE) * _standard_error(logs)))


def ties_with_lowest(energy_j: Mapping[str, Mapping[int, float]]) -> set[str]:
    """Return the points whose energy cannot be told from the lowest one's, that one included.

    energy_j: point -> launch -> energy. ln E is point + launch + noise, fitted by least squares, so that launches may
    lack points, as those of a search do; the noise's variance is pooled over all points: three launches alone would
    leave two degrees of freedom, and would tell nothing apart. One-sided at 95 % a point. Where nothing is left to tell
    the noise by, as in one launch, none is told apart.
    """
    names = list(energy_j)
    launches = sorted({launch for values in energy_j.values() for launch in values})
    cells = [(names.index(name), launches.index(launch)) for name in names for launch in energy_j[name]]
    design = np.zeros((len(cells), len(names) + len(launches) - 1))
    for row, (point, launch) in enumerate(cells):
        design[row, point] = 1
        if launch:  # no term for the first launch: the points' terms are its values
            design[row, len(names) + launch - 1] = 1
    logs = np.log([energy_j[names[point]][launches[launch]] for point, launch in cells])
    effects, _, rank, _ = np.linalg.lstsq(design, logs)
    degrees = len(cells) - int(rank)
    if degrees < 1:
        return set(names)
    noise = float(((logs - design @ effects) ** 2).sum()) / degrees
    means, spread = effects[: len(names)], np.linalg.pinv(design.T @ design)[: len(names), : len(names)]
    lowest = int(np.argmin(means))
    variance = spread[lowest, lowest] + np.diag(spread) - 2 * spread[lowest]
    margin = float(stdtrit(degrees, CONFIDENCE)) * np.sqrt(np.maximum(variance, 0) * noise)
    return {name for name, above, allowed in zip(names, means - means[lowest], margin, strict=True) if above <= allowed}


def _standard_error(logs: Sequence[float] | npt.NDArray[np.float64]) -> float:
    return float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
