"""What a load needs from the client: connections, preparation, and the pacer that sends."""

from collections.abc import Callable
from dataclasses import dataclass

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.errors import ConfigError
from llmdvfs.load.sending.feed import Feed
from llmdvfs.load.sending.pacing import ClosedLoop, Launch, OpenLoop, Pacer, Waves
from llmdvfs.records.spec import WorkloadSpec

OPEN_LOOP_CONNECTIONS = 64  # opened beforehand where nobody knows how many requests will be in flight
OPEN_LOOP_SPARE_CONNECTIONS = 8  # more are opened when fewer than so many are idle
OPEN_LOOP_WARMUP_CONCURRENCY = 8
CLOSED_LOOP_AHEAD_S = 0.15
OPEN_LOOP_AHEAD_S = 2.0  # a schedule does not mind when its clock starts

MakePacer = Callable[[Feed, Launch], Pacer]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a load is prepared and paced."""

    num_connections: int
    """Opened before the load."""
    num_spare_connections: int
    """Kept idle beyond those in use."""
    ahead_s: float
    """Spent on rendering before the first request; what is left is rendered in idle moments."""
    pacer: MakePacer
    warmup_pacer: MakePacer


def load_shape(workload: WorkloadSpec) -> Shape:
    """Return the shape of a workload's load."""
    kind, duration_s = arrival_kind(workload.arrival.kind), workload.duration_s
    if kind.paced_by != "schedule":
        places = kind.num_at_once(workload.arrival)
        if places is None or places < 1:
            raise ConfigError(
                f"workload {workload.id!r}: arrival kind {kind.name!r} needs {' and '.join(kind.needs)} >= 1; "
                f"seen {places} requests at once"
            )
        pacer: MakePacer = (
            _closed_loop(places, duration_s)
            if kind.paced_by == "places"
            else lambda feed, launch: Waves(feed, launch, duration_s=duration_s)
        )
        return Shape(places, 0, CLOSED_LOOP_AHEAD_S, pacer, _closed_loop(places))
    return Shape(
        OPEN_LOOP_CONNECTIONS,
        OPEN_LOOP_SPARE_CONNECTIONS,
        OPEN_LOOP_AHEAD_S,
        OpenLoop,
        _closed_loop(OPEN_LOOP_WARMUP_CONCURRENCY),
    )


def _closed_loop(concurrency: int, duration_s: float | None = None) -> MakePacer:
    return lambda feed, launch: ClosedLoop(feed, launch, concurrency=concurrency, duration_s=duration_s)
