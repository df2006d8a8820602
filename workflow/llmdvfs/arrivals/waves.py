"""`waves`: a number of requests at once; when all of them have ended, the next wave."""

from collections.abc import Iterator
from random import Random

from llmdvfs.arrivals.kind import Arrival, ArrivalKind
from llmdvfs.errors import ConfigError
from llmdvfs.records.spec import WorkloadSpec


def _draw(workload: WorkloadSpec, rng: Random) -> Iterator[Arrival]:
    sizes = workload.arrival.wave_sizes
    if not sizes:
        raise ConfigError(f"workload {workload.id!r}: arrival kind 'waves' needs wave_sizes, e.g. [8, 16, 32]")
    return (Arrival(wave=wave) for wave, size in enumerate(sizes) for _ in range(size))


WAVES = ArrivalKind(
    "waves",
    "all at once, wait, again",
    needs=("wave_sizes",),
    draw=_draw,
    paced_by="waves",
    num_at_once=lambda spec: max(spec.wave_sizes, default=1),
    batch_size=lambda spec: spec.wave_sizes[0] if len(set(spec.wave_sizes)) == 1 else None,
    ends_by_itself=True,
    never_steady="waves start and end the load again and again: there is no steady state to find",
    has_offered_rate=False,
)
