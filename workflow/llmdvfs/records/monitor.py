"""What `monitor` recorded, by device and in all: its JSON file."""

from dataclasses import dataclass

from llmdvfs.records.result import Distribution
from llmdvfs.records.telemetry import EnergySource, SamplerReport, TelemetryDevice


@dataclass(frozen=True, slots=True)
class DeviceRecording:
    """One device over the recording."""

    device: TelemetryDevice
    energy_j: float | None
    """By the energy source; None: not measured."""
    counter_j: float | None
    integral_j: float | None
    """Trapezoid of power, the cross-check of the counter."""
    mean_power_w: float | None
    max_power_w: float | None
    statistics: dict[str, Distribution]
    """Of every quantity of records/telemetry.QUANTITIES that was read, but for those that only count up."""
    missing: tuple[str, ...]
    """What could not be read or worked out, with its reason."""


@dataclass(frozen=True, slots=True)
class MonitorSample:
    """One reading of one device."""

    t_s: float
    """Since the beginning of the first reading."""
    device_id: str
    values: dict[str, float | None]
    """None: it failed."""


@dataclass(frozen=True, slots=True)
class MonitorRecord:
    """A recording."""

    started_unix_s: float
    duration_s: float
    """From the beginning of the first reading to the end of the last."""
    interval_s: float
    energy_source: EnergySource
    devices: tuple[DeviceRecording, ...]
    sampler: SamplerReport
    samples: tuple[MonitorSample, ...]
