"""`gamma` and `poisson`: gaps of a gamma distribution, which at shape 1 is that of a Poisson process."""

from collections.abc import Iterator
from itertools import accumulate
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind, needed
from llmdvfs.records.spec import WorkloadSpec


def _gamma(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    return _drawn(needed(workload, "rate_rps"), needed(workload, "burstiness"), rng)


def _poisson(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    return _drawn(needed(workload, "rate_rps"), 1.0, rng)


def _drawn(rate_rps: float, shape: float, rng: Random) -> Iterator[Arrival]:
    gaps_s = iter(lambda: rng.gammavariate(shape, 1 / (rate_rps * shape)), None)
    return (Arrival(offset_s=offset_s) for offset_s in accumulate(gaps_s))


POISSON = ArrivalKind(
    "poisson", "independent arrivals at a mean rate", needs=("rate_rps",), draw=_poisson, is_alike_throughout=True
)
GAMMA = ArrivalKind(
    "gamma",
    "burstier or calmer ones (`burstiness`)",
    needs=("rate_rps", "burstiness"),
    draw=_gamma,
    is_alike_throughout=True,
)
