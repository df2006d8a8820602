"""Says what each kind of arrivals needs of the client: connections, time to prepare, and the pacer that sends."""

from collections.abc import Callable
from dataclasses import dataclass

from llmdvfs.errors import ConfigError
from llmdvfs.load.sending.feed import Feed
from llmdvfs.load.sending.pacing import ClosedLoop, Dispatch, OpenLoop, Pacer, Waves
from llmdvfs.records.spec import WorkloadSpec

OPEN_LOOP_CONNECTIONS = 64  # opened beforehand where nobody knows how many requests will be in flight
OPEN_LOOP_SPARE_CONNECTIONS = 8  # more are opened when fewer than so many are idle
OPEN_LOOP_WARMUP_CONCURRENCY = 8
CLOSED_LOOP_AHEAD_S = 0.15
OPEN_LOOP_AHEAD_S = 2.0  # a schedule does not mind when its clock starts

MakePacer = Callable[[Feed, Dispatch], Pacer]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a load is prepared and paced."""

    num_connections: int
    """How many are opened before the load begins."""
    num_spare_connections: int
    """How many are kept idle beyond those in use, so that a request does not wait for a connection."""
    ahead_s: float
    """Spent on rendering before the first request; what is left is rendered in idle moments."""
    pacer: MakePacer
    warmup_pacer: MakePacer


def load_shape(workload: WorkloadSpec) -> Shape:
    """Return the shape of a workload's load."""
    arrival, duration_s = workload.arrival, workload.duration_s
    if arrival.kind == "closed":
        if arrival.concurrency is None or arrival.concurrency < 1:
            raise ConfigError(
                f"workload {workload.id!r}: arrival kind 'closed' needs a concurrency >= 1; seen {arrival.concurrency}"
            )
        concurrency = arrival.concurrency
        return Shape(
            concurrency, 0, CLOSED_LOOP_AHEAD_S, _until_enough(workload, concurrency), _closed_loop(concurrency)
        )
    if arrival.kind == "waves":
        largest = max(arrival.wave_sizes, default=1)
        return Shape(
            largest,
            0,
            CLOSED_LOOP_AHEAD_S,
            lambda feed, dispatch: Waves(feed, dispatch, duration_s=duration_s),
            _closed_loop(largest),
        )
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
