"""The hosts of a deployment that is spread over several: their clocks, the paths between them, what they are."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ClockExchange:
    """One question to another host's clock, as NTP asks it (RFC 5905, section 8).

    Each instant is of the CLOCK_MONOTONIC of the host where it was taken.
    """

    asked_ns: int
    """Here, when the question was sent."""
    received_ns: int
    """There, when it came ..."""
    answered_ns: int
    """... and when its answer was sent."""
    heard_ns: int
    """Here, when the answer came."""

    @property
    def delay_ns(self) -> int:
        """Return the time that both ways took together."""
        return (self.heard_ns - self.asked_ns) - (self.answered_ns - self.received_ns)


@dataclass(frozen=True, slots=True)
class ClockLine:
    """By how much another host's clock is ahead of this one's, as a straight line over the time of a cell."""

    reference_ns: int
    """Instant of this host's clock at which the line begins."""
    offset_ns: int
    """By how much the other clock was ahead then."""
    drift: float
    """By how much it gains, in seconds a second."""
    bound_ns: float
    """No more than this is the line wrong anywhere between the first exchange and the last, if both clocks ran evenly
    and no message came before it was sent."""
    num_exchanges: int
    least_delay_ns: int
    """Of the fastest exchange, both ways together."""
    slack_ns: float = 0.0
    """By how much the exchanges must be stretched before any straight line fits them; above 0 the clocks did not run
    evenly. It is part of the bound."""

    def here_ns(self, there_ns: int) -> int:
        """Return the instant of this host's clock at which the other one showed `there_ns`."""
        since_ns = there_ns - self.reference_ns - self.offset_ns
        # Integers but for the small part: a float of nanoseconds since the start of a host has steps of its own.
        return self.reference_ns + since_ns - round(since_ns * self.drift / (1.0 + self.drift))


@dataclass(frozen=True, slots=True)
class WallClock:
    """What a host's own time service says of its wall clock; nothing is computed with it."""

    source: Literal["chrony", "kernel"]
    reference: str
    """Whom it follows: an address, or a reference clock such as `PHC0` (PTP)."""
    bound_s: float
    """By how much the wall clock is wrong at most."""


@dataclass(frozen=True, slots=True)
class HostPath:
    """What the network carried from one host to another just before a cell, measured by one TCP stream."""

    sender: str
    receiver: str
    round_trip_s: float
    """Median of small messages, there and back."""
    rate_bytes_per_s: float


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One of the hosts that a cell was measured on."""

    name: str
    """As the study calls it; device ids of its devices begin with it: `n1/gpu0`."""
    address: str
    hardware: dict[str, Any] = field(default_factory=dict)
    clock: ClockLine | None = None
    """Its clock against that of the host that measures, over the cell; None: no exchange was answered."""
    wall_clock: WallClock | None = None
    """As the host's time service saw it after the load; None: it has none, or says no bound."""
