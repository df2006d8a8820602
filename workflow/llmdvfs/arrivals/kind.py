"""What a kind of arrivals says of itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from llmdvfs.errors import ConfigError
from llmdvfs.inputs.traces.row import TraceRow
from llmdvfs.records.spec import ArrivalSpec, WorkloadSpec


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request of the schedule; offset None: as soon as a place is free (closed loop and waves)."""

    offset_s: float | None = None
    wave: int | None = None
    row: TraceRow | None = None
    """What a trace says of it."""


@dataclass(frozen=True, slots=True)
class ArrivalKind:
    """A kind of arrivals: one row of the table."""

    name: str
    what: str
    """In a few words, for config/README.md."""
    needs: tuple[str, ...]
    """Fields of ArrivalSpec that must be set ..."""
    draw: Callable[[WorkloadSpec, Random], Iterator[Arrival]]
    """Yields the schedule; the end by number and duration is put to it by `draw_arrivals`."""
    paced_by: Literal["places", "waves", "schedule"] = "schedule"
    """What a request waits for: a free place, the end of the wave before, or its instant."""
    options: tuple[str, ...] = ()
    """... and those that may be; all others are refused."""
    num_at_once: Callable[[ArrivalSpec], int | None] = lambda _: None
    """Most requests in flight at once, where the specification fixes it."""
    batch_size: Callable[[ArrivalSpec], int | None] = lambda _: None
    """Requests that are served together, where that is one number for the whole load."""
    ends_by_itself: bool = False
    needs_duration: bool = False
    never_steady: str | None = None
    """Why there is no steady state to find; None: there may be one."""
    has_offered_rate: bool = True
    """Whether the rate at which requests arrive can be held against the rate at which answers leave."""
    is_alike_throughout: bool = False
    """Whether any part of the load is like any other, so that operating points can change under it."""


def needed(workload: WorkloadSpec, name: str) -> float:
    """Return a number that the kind needs; ConfigError where it is missing or not above 0."""
    value = getattr(workload.arrival, name)
    if value is None or value <= 0:
        raise ConfigError(
            f"workload {workload.id!r}: arrival kind {workload.arrival.kind!r} needs {name} above 0; seen {value}"
        )
    return float(value)
