"""Leaves out of a long curve what no reader of a figure can see: millions of points take a minute to draw.

A figure is two thousand dots wide on paper. Of each of that many stretches of time the first and the last point are
kept, the lowest and the highest (U. Jugel and others, M4: a visualization-oriented time series data aggregation, VLDB
2014): a line through them covers the same dots.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NUM_STRETCHES = 2500  # more than 7.2 in at 300 dots an inch
MAX_POINTS = 4 * NUM_STRETCHES
NUM_SHARES = 4000  # of a distribution: more than the dots of any panel's height


def thinned(t_s: Floats, *values: Floats) -> tuple[Floats, ...]:
    """Return the instants, ascending, and curves over them, with the points that can be seen of any of the curves.

    Curves of no more than MAX_POINTS come back as they are.
    """
    if len(t_s) <= MAX_POINTS:
        return (t_s, *values)
    edges = np.searchsorted(t_s, np.linspace(t_s[0], t_s[-1], NUM_STRETCHES + 1)[:-1])
    first = np.unique(edges)
    stretch = np.repeat(np.arange(len(first)), np.diff(first, append=len(t_s)))
    kept = [first, np.append(first[1:], len(t_s)) - 1]
    for curve in values:
        by_value = np.lexsort((curve, stretch))  # within each stretch from the lowest to the highest
        kept += [by_value[kept[0]], by_value[kept[1]]]
    points = np.unique(np.concatenate(kept))
    return tuple(column[points] for column in (t_s, *values))


def thinned_shares(ordered: Floats) -> tuple[Floats, Floats]:
    """Return values of a sample, ascending, with the share of it at or below each, in NUM_SHARES steps at most."""
    rank = np.arange(1, len(ordered) + 1)
    if len(ordered) > NUM_SHARES:
        rank = np.unique(np.round(np.linspace(1, len(ordered), NUM_SHARES)).astype(np.int64))
    return ordered[rank - 1], rank / len(ordered)
