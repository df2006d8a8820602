"""`constant`: requests at equal gaps."""

from collections.abc import Iterator
from itertools import count
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind, needed
from llmdvfs.records.spec import WorkloadSpec


def _draw(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    rate_rps = needed(workload, "rate_rps")
    return (Arrival(offset_s=index / rate_rps) for index in count())  # from the index: no rounding adds up


CONSTANT = ArrivalKind("constant", "equal gaps", needs=("rate_rps",), draw=_draw, is_alike_throughout=True)
