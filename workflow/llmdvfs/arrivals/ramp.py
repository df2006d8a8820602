"""`ramp`: Poisson arrivals whose rate changes linearly from r0 to r1 within the duration D."""

from collections.abc import Iterator
from math import sqrt
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind, needed
from llmdvfs.errors import ConfigError
from llmdvfs.records.spec import WorkloadSpec


def _draw(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    """Map arrivals of unit rate through the inverse of the number expected until t, r0 t + (r1 - r0) t^2 / (2 D).

    This is the inversion of the cumulative rate function of a non-homogeneous Poisson process (Cinlar 1975).
    """
    begin_rps, end_rps = needed(workload, "rate_rps"), needed(workload, "end_rate_rps")
    if workload.duration_s is None:
        raise ConfigError(f"workload {workload.id!r}: arrival kind 'ramp' needs duration_s, the time of the ramp")
    slope = (end_rps - begin_rps) / workload.duration_s
    expected = 0.0
    while True:
        expected += rng.expovariate(1.0)
        square = begin_rps**2 + 2 * slope * expected
        if square < 0:  # a falling ramp reaches rate 0 before so many arrivals
            return
        yield Arrival(offset_s=2 * expected / (begin_rps + sqrt(square)))


RAMP = ArrivalKind(
    "ramp",
    "a rate that changes over the duration",
    needs=("rate_rps", "end_rate_rps"),
    draw=_draw,
    needs_duration=True,
    never_steady="the rate of a ramp changes by design: there is no steady state to find",
    has_offered_rate=False,
)
