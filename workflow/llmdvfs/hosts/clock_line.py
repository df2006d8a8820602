"""Another host's clock as a straight line beside this one's, from exchanges with bounds (docs/hosts.md#time).

Each exchange says between which limits the other clock was ahead: no message arrives before it was sent, so it was
ahead by at least answered - heard and by at most received - asked. A straight line that lies between the limits of all
exchanges is what both clocks may have done; the one in the middle of all such lines is taken, and half of what lies
between the outermost ones is its bound. So the fast exchanges decide, and slow ones do no harm (cf. Moon, Skelly,
Towsley: Estimation and removal of clock skew from network delay measurements, INFOCOM 1999).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from llmdvfs.records.hosts import ClockExchange, ClockLine

Floats = npt.NDArray[np.float64]

MAX_DRIFT = 1e-3
"""Linux slews CLOCK_MONOTONIC by 500 ppm at most, and either host may."""
NUM_STRETCHES = 64
"""Of the cell's time; only the tightest limits in each are kept, since an hour has tens of thousands of exchanges."""


def clock_line(exchanges: Sequence[ClockExchange]) -> ClockLine | None:
    """Return the other clock's line over the time of the exchanges; None: there is none."""
    if not exchanges:
        return None
    ordered = sorted(exchanges, key=lambda exchange: exchange.asked_ns)
    begin_ns, end_ns = ordered[0].asked_ns, ordered[-1].heard_ns
    about_ns = ordered[0].received_ns - ordered[0].asked_ns  # so that the rest is small enough for floats
    # Between asking and hearing a clock that drifts by MAX_DRIFT moves on, which widens the limits by that.
    limits = _tightest(
        np.array([(e.asked_ns + e.heard_ns) / 2 - begin_ns for e in ordered]),
        np.array([e.answered_ns - e.heard_ns - about_ns - MAX_DRIFT * (e.heard_ns - e.asked_ns) for e in ordered]),
        np.array([e.received_ns - e.asked_ns - about_ns + MAX_DRIFT * (e.heard_ns - e.asked_ns) for e in ordered]),
        float(end_ns - begin_ns),
    )
    slack_ns = _slack_ns(limits)
    first, last = (_range_at(at_ns, limits, slack_ns) for at_ns in (0.0, float(end_ns - begin_ns)))
    span_ns = max(end_ns - begin_ns, 1)
    offset_ns = (first[0] + first[1]) / 2
    return ClockLine(
        reference_ns=begin_ns,
        offset_ns=about_ns + round(offset_ns),
        drift=((last[0] + last[1]) / 2 - offset_ns) / span_ns,
        # What the lines may differ by is largest at one of the ends.
        bound_ns=max(first[1] - first[0], last[1] - last[0]) / 2 + slack_ns,
        num_exchanges=len(ordered),
        least_delay_ns=min(exchange.delay_ns for exchange in ordered),
        slack_ns=slack_ns,
    )


Limits = tuple[Floats, Floats, Floats]
"""Instants since the begin, and the least and the most by which the clock was ahead then [ns]."""


def _tightest(at_ns: Floats, low_ns: Floats, high_ns: Floats, span_ns: float) -> Limits:
    """Return the exchanges with the highest lower and the lowest upper limit in each stretch of time."""
    stretch = np.minimum((at_ns / max(span_ns, 1.0) * NUM_STRETCHES).astype(np.int64), NUM_STRETCHES - 1)
    kept: set[int] = set()
    for number in np.unique(stretch):
        own = np.flatnonzero(stretch == number)
        kept |= {int(own[low_ns[own].argmax()]), int(own[high_ns[own].argmin()])}
    chosen = sorted(kept)
    return at_ns[chosen], low_ns[chosen], high_ns[chosen]


def _slack_ns(limits: Limits) -> float:
    """Return the least by which all limits must be widened for a straight line to lie between them."""
    at_ns, low_ns, high_ns = limits
    ones = np.ones_like(at_ns)
    solved = linprog(
        [0.0, 0.0, 1.0],
        A_ub=np.concatenate([np.stack([-ones, -at_ns / 1e9, -ones], 1), np.stack([ones, at_ns / 1e9, -ones], 1)]),
        b_ub=np.concatenate([-low_ns, high_ns]),
        bounds=[(None, None), (-MAX_DRIFT * 1e9, MAX_DRIFT * 1e9), (0.0, None)],
        method="highs",
    )
    return float(solved.x[2])


def _range_at(instant_ns: float, limits: Limits, slack_ns: float) -> tuple[float, float]:
    """Return the least and the most by which any line between the limits is ahead at an instant."""
    at_ns, low_ns, high_ns = limits
    ones = np.ones_like(at_ns)
    # A nanosecond of room: what was found to be feasible must stay so in spite of rounding.
    room_ns = slack_ns + 1.0
    rows = np.concatenate([np.stack([-ones, -at_ns / 1e9], 1), np.stack([ones, at_ns / 1e9], 1)])
    limit = np.concatenate([room_ns - low_ns, high_ns + room_ns])
    ends = []
    for sign in (1.0, -1.0):
        solved = linprog(
            [sign, sign * instant_ns / 1e9],
            A_ub=rows,
            b_ub=limit,
            bounds=[(None, None), (-MAX_DRIFT * 1e9, MAX_DRIFT * 1e9)],
            method="highs",
        )
        ends.append(sign * float(solved.fun))
    return ends[0], ends[1]
