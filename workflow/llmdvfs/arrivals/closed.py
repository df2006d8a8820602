"""`closed`: a fixed number of requests in flight at any time; the end of one sends the next."""

from collections.abc import Iterator
from itertools import repeat
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind
from llmdvfs.records.spec import WorkloadSpec


def _draw(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    return repeat(Arrival())


CLOSED = ArrivalKind(
    "closed",
    "a fixed number in flight",
    needs=("concurrency",),
    draw=_draw,
    paced_by="places",
    num_at_once=lambda spec: spec.concurrency,
    batch_size=lambda spec: spec.concurrency,
    has_offered_rate=False,
    is_alike_throughout=True,
)
