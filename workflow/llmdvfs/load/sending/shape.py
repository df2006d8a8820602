"""What a load needs of the client: connections, time to prepare, and the pacer that sends."""

from collections.abc import Callable
from dataclasses import dataclass

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.errors import ConfigError
from llmdvfs.load.sending.feed import Feed
from llmdvfs.load.sending.pacing import ClosedLoop, Dispatch, OpenLoop, Pacer, Waves
from llmdvfs.records.spec import WorkloadSpec

OPEN_LOOP_CONNECTIONS = 64  # opened beforehand where nobody knows how many requests will be in flight
OPEN_LOOP_SPARE_CONNECTIONS = 8  # more are opened when fewer than so many are idle
OPEN_LOOP_WARMUP_CONCURRENCY = 8
CLOSED_LOOP_AHEAD_S = 0.15
OPEN_LOOP_AHEAD_S = 2.0  # rendering time before the load: a schedule may start at any time

MakePacer = Callable[[Feed, Dispatch], Pacer]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a load is prepared and paced."""

    num_connections: int
    """Connections that are opened before the load begins."""
    num_spare_connections: int
    """Connections that are kept idle beyond those in use, so that no request waits for one to be opened."""
    ahead_s: float
    """Time for rendering requests before the first is sent; the rest are rendered in idle moments."""
    pacer: MakePacer
    """Makes the pacer of the load."""
    warmup_pacer: MakePacer
    """Makes the pacer of the warm-up."""


def load_shape(workload: WorkloadSpec) -> Shape:
    """Return what a workload's load needs."""
    kind, duration_s = arrival_kind(workload.arrival.kind), workload.duration_s
    if kind.paced_by != "schedule":
        places = kind.num_at_once(workload.arrival)
        if places is None or places < 1:
            raise ConfigError(
                f"workload {workload.id!r}: arrival kind {kind.name!r} needs {' and '.join(kind.needs)} >= 1; "
                f"seen {places} requests at once"
            )
        pacer: MakePacer = (
            _until_enough(workload, places)
            if kind.paced_by == "places"
            else lambda feed, dispatch: Waves(feed, dispatch, duration_s=duration_s)
        )
        return Shape(places, 0, CLOSED_LOOP_AHEAD_S, pacer, _closed_loop(places))
    return Shape(
        OPEN_LOOP_CONNECTIONS,
        OPEN_LOOP_SPARE_CONNECTIONS,
        OPEN_LOOP_AHEAD_S,
        OpenLoop,
        _closed_loop(OPEN_LOOP_WARMUP_CONCURRENCY),
    )


def _until_enough(workload: WorkloadSpec, concurrency: int) -> MakePacer:
    return lambda feed, dispatch: ClosedLoop(
        feed,
        dispatch,
        concurrency=concurrency,
        duration_s=workload.duration_s,
        min_requests=workload.min_requests,
        max_duration_s=workload.max_duration_s,
    )


def _closed_loop(concurrency: int) -> MakePacer:
    return lambda feed, dispatch: ClosedLoop(feed, dispatch, concurrency=concurrency, duration_s=None)
