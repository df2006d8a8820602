"""Finds a stall of a load: a time without any token, far longer than its neighbours (docs/metrics.md#steady-state)."""

import numpy as np
import numpy.typing as npt

STALL_FACTOR = 5.0  # x the median of the next longest gaps; 100 exponential gaps get this far in 0.02 % of loads
MIN_STALL_FRACTION = 0.05  # of the window; a shorter stall changes the throughput by less than 5 %
NUM_NEIGHBOURS = 10
MIN_GAPS = 30  # of fewer random gaps the longest is often this far beyond the rest: in 2 % of loads of 30, 15 % of 16


def find_stall(token_s: npt.NDArray[np.float64], begin_s: float, end_s: float) -> str | None:
    """Return the stall inside [begin, end] in words, None where there is none or too few tokens came to tell.

    token_s: the instants at which the load's tokens arrived, of all streams together, in any order. Pauses that come
    again and again, as every long prompt makes them, are each other's neighbours and no stall.
    """
    instants_s = np.concatenate(([begin_s], np.sort(token_s), [end_s]))
    gaps_s = np.diff(instants_s)
    if gaps_s.size < MIN_GAPS:
        return None
    longest = int(gaps_s.argmax())
    gap_s, next_s = float(gaps_s[longest]), float(np.median(np.sort(gaps_s)[-NUM_NEIGHBOURS - 1 : -1]))
    if gap_s <= STALL_FACTOR * next_s or gap_s <= MIN_STALL_FRACTION * (end_s - begin_s):
        return None
    return (
        f"a stall: no token for {gap_s:.3g} s from {instants_s[longest]:.3g} s on, over {STALL_FACTOR:g} times the "
        f"median of the {NUM_NEIGHBOURS} next longest gaps, {next_s:.3g} s"
    )
