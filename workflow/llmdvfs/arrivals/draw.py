"""Draws the schedule of a workload before the run, from a seeded generator."""

from collections.abc import Iterator
from itertools import islice, takewhile
from random import Random

from llmdvfs.arrivals.kind import Arrival
from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.errors import ConfigError
from llmdvfs.records.spec import WorkloadSpec


def draw_arrivals(workload: WorkloadSpec, seed: int) -> Iterator[Arrival]:
    """Yield the schedule, which ends after `num_requests` or `duration_s`.

    seed: equal seeds give equal schedules. A closed loop that is ended by duration alone has an endless schedule.
    """
    kind = arrival_kind(workload.arrival.kind)
    if workload.num_requests is None and workload.duration_s is None and not kind.ends_by_itself:
        raise ConfigError(
            f"workload {workload.id!r}: arrival kind {kind.name!r} has no end of its own; "
            "set num_requests or duration_s"
        )
    arrivals = kind.draw(workload, Random(f"arrivals/{seed}"))
    limit_s = workload.duration_s
    if limit_s is not None:
        arrivals = takewhile(lambda arrival: arrival.offset_s is None or arrival.offset_s < limit_s, arrivals)
    return islice(arrivals, workload.num_requests)
