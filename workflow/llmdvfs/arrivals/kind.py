"""What each kind of arrivals has to say of itself for the rest of the library to know it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from llmdvfs.errors import ConfigError
from llmdvfs.inputs.traces.row import TraceRow
from llmdvfs.records.spec import ArrivalSpec, WorkloadSpec


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of the schedule."""

    offset_s: float | None = None
    """When it is sent, in seconds since the load's begin; None: as soon as a place is free (closed loop, waves)."""
    wave: int | None = None
    """Number of its wave, from 0; None: the load has no waves."""
    row: TraceRow | None = None
    """The record of the trace that it stands for; None: the load is not a trace."""


@dataclass(frozen=True, slots=True)
class ArrivalKind:
    """A kind of arrivals: one row of the table."""

    name: str
    what: str
    """What it does in a few words, for config/README.md."""
    needs: tuple[str, ...]
    """Fields of ArrivalSpec that must be set ..."""
    draw: Callable[[WorkloadSpec, Random], Iterator[Arrival]]
    """Yields the schedule; `draw_arrivals` ends it by number and duration."""
    paced_by: Literal["places", "waves", "schedule"] = "schedule"
    """What a request waits for: a free place, the end of the wave before, or its instant."""
    options: tuple[str, ...] = ()
    """... and those that may be; all others are refused."""
    num_at_once: Callable[[ArrivalSpec], int | None] = lambda _: None
    """Returns the largest number of requests in flight, where the specification fixes it; else None."""
    batch_size: Callable[[ArrivalSpec], int | None] = lambda _: None
    """Returns how many requests are served together, where that is one number for the whole load; else None."""
    ends_by_itself: bool = False
    """Whether the schedule ends without a number of requests or a duration, as a trace does."""
    needs_duration: bool = False
    """Whether the workload must set `duration_s`."""
    never_steady: str | None = None
    """Why such a load has no steady state; None: it may have one."""
    has_offered_rate: bool = True
    """Whether requests arrive at a rate of their own, which the rate of answers can be compared with."""
    is_alike_throughout: bool = False
    """Whether every part of the load is like any other, so that operating points can be changed under it."""


def needed(workload: WorkloadSpec, name: str) -> float:
    """Return a number of the specification that the kind needs; ConfigError where it is missing or not above 0."""
    value = getattr(workload.arrival, name)
    if value is None or value <= 0:
        raise ConfigError(
            f"workload {workload.id!r}: arrival kind {workload.arrival.kind!r} needs {name} above 0; seen {value}"
        )
    return float(value)
