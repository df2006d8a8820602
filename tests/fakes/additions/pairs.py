"""A kind of arrivals: two requests together, `rate_rps` pairs a second."""

from collections.abc import Iterator
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind, needed
from llmdvfs.records.spec import WorkloadSpec


def _draw(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    gap_s = 1 / needed(workload, "rate_rps")
    return (Arrival(offset_s=number // 2 * gap_s) for number in range(10))


PAIRS = ArrivalKind("pairs", "two at a time", needs=("rate_rps",), draw=_draw, ends_by_itself=True)
