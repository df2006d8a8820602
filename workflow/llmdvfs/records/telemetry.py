"""Records that the sampler writes into `telemetry.jsonl`: a header line, then one reading a line.

Header  {"schema": "llmdvfs/telemetry-header", "schema_version": 1, "devices": [...], "interval_s": ..., ...}
Reading {"d": device_id, "b": begin_mono_ns, "e": end_mono_ns, "v": {quantity: value}, "x": {quantity: error}}

A quantity that could not be read is null in "v" and has its cause in "x"; one that the device does not have is absent.
The energy counter of a GPU is polled on its own (its call blocks for milliseconds), so its readings are lines of
their own with "v" = {"energy_j": ...}. So are the driver's own samples of power, {"power_sample_w": ...}, whose "b" and
"e" enclose the driver's stamp, and the activity of a GPU's parts, a mean over the whole of "b" to "e".
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

EnergySource = Literal["nvml_counter", "nvml_power", "rapl", "bmc_power", "none"]
BEST_LAST: tuple[EnergySource, ...] = ("none", "bmc_power", "rapl", "nvml_power", "nvml_counter")
POWER_ONLY: frozenset[EnergySource] = frozenset({"nvml_power", "bmc_power"})
"""Sources without an energy counter: energy is the integral of power."""

QUANTITIES: dict[str, str] = {
    "power_instant_w": "power now (NVML field 186)",
    "power_average_w": "power averaged by the sensor over its own window (field 185, nvmlDeviceGetPowerUsage, a BMC)",
    "memory_power_w": "power of the GPU's memory (HBM) alone, averaged over about 1 s (NVML field 185, scope 2)",
    "power_sample_w": "power over the last 25 ms or so, every 20 ms, stamped by the driver (nvmlDeviceGetSamples)",
    "energy_j": "energy counter, since driver load (NVML) or boot (RAPL, unwrapped)",
    "sm_clock_mhz": "core clock",
    "memory_clock_mhz": "memory clock",
    "gpu_utilisation_fraction": "share of time with a kernel running",
    "memory_utilisation_fraction": "share of time with device memory being read or written",
    "sm_active_fraction": "share of SMs that were busy, mean over the reading's begin to end (GPM)",
    "tensor_active_fraction": "share of time in which the tensor cores worked, likewise (GPM)",
    "dram_active_fraction": "share of the DRAM's bandwidth in use, likewise (GPM)",
    "temperature_c": "core temperature",
    "memory_temperature_c": "memory temperature",
    "memory_used_bytes": "device memory in use",
    "clock_event_reasons": "bit set of reasons that hold the clock down, now",
    "sw_power_cap_s": "cumulative time held down by the power cap (NVML field 74)",
    "sw_thermal_s": "cumulative time held down by software thermal slowdown (269)",
    "hw_thermal_s": "cumulative time held down by hardware thermal slowdown (270)",
    "hw_power_brake_s": "cumulative time held down by the power brake (271)",
    "power_limit_w": "enforced power limit",
    "performance_state": "P-state, 0 is the fastest",
    "pcie_tx_bytes_per_s": "PCIe throughput out of the device",
    "pcie_rx_bytes_per_s": "PCIe throughput into the device",
    "nvlink_tx_bytes": "cumulative NVLink traffic out of the device, all links",
    "nvlink_rx_bytes": "cumulative NVLink traffic into the device, all links",
    "cpu_utilisation_fraction": "share of all CPU time not idle since the previous reading",
    "cpu_clock_mhz": "mean clock of all CPUs",
    "host_memory_used_bytes": "host memory in use",
}


@dataclass(frozen=True, slots=True)
class TelemetryDevice:
    """One device with sensors: a GPU, the CPU, an energy domain of the CPU (RAPL), or the whole host (its BMC)."""

    device_id: str
    """Its id in all records: `gpu0`, `cpu`, `rapl-package-0`, `rapl-dram-0`, `host-dcmi`."""
    kind: Literal["gpu", "cpu", "rapl", "host"]
    name: str
    uuid: str | None = None
    """What identifies a GPU across starts of the machine."""
    index: int | None = None
    """NVML index of a GPU, for display."""
    details: dict[str, str | int | float | None] = field(default_factory=dict)
    """Driver version, memory size, power limits, supported clock range ..."""
    energy_source: EnergySource | None = None
    """What this device itself can say about energy; None in a file from before this was recorded."""


@dataclass(frozen=True, slots=True)
class TelemetryHeader:
    """First line of `telemetry.jsonl`: the devices, how often they were read, and since when."""

    devices: tuple[TelemetryDevice, ...]
    interval_s: float
    counter_interval_s: float | None
    started_mono_ns: int
    started_unix_s: float
    energy_source: EnergySource
    """The worst energy source among all GPUs of the host, else the CPU's; that of a deployment is
    `deployment_source`."""
    absences: tuple[str, ...] = ()
    """What could not be read here, each with its reason."""

    def source_of(self, device: TelemetryDevice) -> EnergySource:
        """Return the energy source of one device; in a file from before it was recorded by device, that of the host."""
        return self.energy_source if device.energy_source is None else device.energy_source

    def deployment_source(self, device_ids: Collection[str]) -> EnergySource:
        """Return the source that all GPUs among the deployment's devices have, so that no two kinds are added up.

        Without a GPU among them it is the CPU's: `rapl` or `none`. What other GPUs of the host lack does not matter.
        """
        gpus = [device for device in self.devices if device.kind == "gpu" and device.device_id in device_ids]
        if gpus:
            return min((self.source_of(device) for device in gpus), key=BEST_LAST.index)
        if not device_ids:
            return self.energy_source
        return "rapl" if any(device.kind == "rapl" for device in self.devices) else "none"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of one device; the values were taken at some instant between begin and end."""

    device_id: str
    begin_mono_ns: int
    end_mono_ns: int
    values: dict[str, float | None]
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SamplerReport:
    """What the sampler says of itself when it ends (`telemetry_report.json`)."""

    num_readings: int
    num_missed_slots: int
    """Slots of the schedule in which no read began. Polls of the energy counters, which their own calls hold up, are
    not counted."""
    num_slots: int
    lateness_p99_s: float | None
    cpu_s: float
    """CPU time of the sampler's process."""
    ended_mono_ns: int
    error: str | None
    """Why it ended before it was told to (because a GPU was lost, for instance); None: it was told to."""
    lost_devices: dict[str, str] = field(default_factory=dict)
    """Device id -> why it was lost, of devices without which sampling went on because no measured deployment needs
    them."""
