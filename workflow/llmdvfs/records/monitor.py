"""Record of what `monitor` recorded, by device and in all: its JSON file."""

from dataclasses import dataclass

from llmdvfs.records.result import Distribution
from llmdvfs.records.telemetry import EnergySource, SamplerReport, TelemetryDevice


@dataclass(frozen=True, slots=True)
class DeviceRecording:
    """Statistics of one device over the whole recording."""

    device: TelemetryDevice
    energy_j: float | None
    """Energy by the device's own source; None: not measured."""
    counter_j: float | None
    integral_j: float | None
    """Trapezoid of power, the cross-check of the counter."""
    mean_power_w: float | None
    max_power_w: float | None
    statistics: dict[str, Distribution]
    """Name -> distribution, of every quantity in records/telemetry.QUANTITIES that was read, but for those that only
    count up."""
    missing: tuple[str, ...]
    """What could not be read or worked out, with its reason."""


@dataclass(frozen=True, slots=True)
class MonitorSample:
    """One reading of one device."""

    t_s: float
    """Since the beginning of the first reading."""
    device_id: str
    values: dict[str, float | None]
    """Name of a quantity -> value in its unit; None: the reading failed."""


@dataclass(frozen=True, slots=True)
class MonitorRecord:
    """A whole recording: its statistics, what the sampler says of itself, and every reading."""

    started_unix_s: float
    duration_s: float
    """From the beginning of the first reading to the end of the last."""
    interval_s: float
    energy_source: EnergySource
    devices: tuple[DeviceRecording, ...]
    sampler: SamplerReport
    samples: tuple[MonitorSample, ...]
