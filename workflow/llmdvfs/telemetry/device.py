"""What the sampler reads: probes, each of which reads some quantities of one device together."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from llmdvfs.records.telemetry import Reading, TelemetryDevice

Cadence = Literal["state", "counter", "slow", "activity", "samples", "exporter", "bmc"]
"""How often a probe is read, and on which thread.

state: every slot; counter: on threads of their own, because their calls block; slow: at most ten times a second;
activity: at most five times; samples, exporter, bmc: once a second, what the driver, another host or a management
controller has gathered.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one read gave; quantities have the units of records/telemetry.QUANTITIES."""

    values: dict[str, float | None]
    errors: dict[str, str] = field(default_factory=dict)
    """Quantity -> cause, for each None in `values`."""
    lost: str | None = None
    """Why the device will never answer again; None: it may."""
    stamped: tuple[Reading, ...] = ()
    """Readings with instants of their own: the driver stamped them, or they are means over a time before this read."""


class Probe(Protocol):
    """Reads some quantities of one device.

    A quantity that cannot be read is None, with its cause; `read` itself never raises for it.
    """

    @property
    def device(self) -> TelemetryDevice:
        """The device that the quantities belong to."""

    @property
    def cadence(self) -> Cadence:
        """How often the sampler reads the probe, and on which thread."""

    def read(self) -> Sample:
        """Read all quantities now, and return them."""
