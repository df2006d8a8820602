"""Reads what a dcgm-exporter publishes of its GPUs: `DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-...",...} 287.3`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from llmdvfs.records.device_id import gpu_id, on_host
from llmdvfs.records.telemetry import EnergySource, TelemetryDevice

METRICS: dict[str, tuple[str, float]] = {
    "DCGM_FI_DEV_POWER_USAGE": ("power_average_w", 1.0),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("energy_j", 1e-3),  # mJ since the driver was loaded
    "DCGM_FI_DEV_SM_CLOCK": ("sm_clock_mhz", 1.0),
    "DCGM_FI_DEV_MEM_CLOCK": ("memory_clock_mhz", 1.0),
    "DCGM_FI_DEV_GPU_UTIL": ("gpu_utilisation_fraction", 1e-2),
    "DCGM_FI_DEV_GPU_TEMP": ("temperature_c", 1.0),
    "DCGM_FI_DEV_MEMORY_TEMP": ("memory_temperature_c", 1.0),
    "DCGM_FI_DEV_FB_USED": ("memory_used_bytes", 2.0**20),  # MiB
}
"""Metric -> quantity, and what one of its units is in the quantity's."""


@dataclass(slots=True)
class ScrapedGpu:
    """One GPU of an exporter's host, and its values by quantity; what the exporter does not say is absent, not 0."""

    host: str
    labels: Mapping[str, str]
    values: dict[str, float] = field(default_factory=dict)

    @property
    def device(self) -> TelemetryDevice:
        """Return the GPU as a device, which is called as those of other hosts are: `node7/gpu0`."""
        index = int(self.labels["gpu"])
        source: EnergySource = "nvml_power" if "power_average_w" in self.values else "none"
        return TelemetryDevice(
            device_id=on_host(self.host, gpu_id(index)),
            kind="gpu",
            name=self.labels.get("modelName", "GPU"),
            uuid=self.labels.get("UUID"),
            index=index,
            energy_source="nvml_counter" if "energy_j" in self.values else source,
        )


def scraped_gpus(text: str, host: str, called: str | None = None) -> dict[str, ScrapedGpu]:
    """Return device id -> GPU, of all GPUs that a text of metrics tells of.

    host: the host's name where the metrics do not say it. called: its name whatever they say. What is told of a slice
    of a GPU (MIG) is left out: it is not the board's. ValueError where the text is not of Prometheus' format.
    """
    found: dict[str, ScrapedGpu] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels, name = sample.labels, sample.name.removesuffix("_total")  # the parser's, of counters without one
            is_board = labels.get("gpu", "").isdecimal() and not labels.get("GPU_I_ID")
            if name not in METRICS or not is_board or not math.isfinite(sample.value):
                continue
            quantity, factor = METRICS[name]
            gpu = found.setdefault(labels["gpu"], ScrapedGpu(called or labels.get("Hostname") or host, labels))
            gpu.values[quantity] = sample.value * factor
    return {gpu.device.device_id: gpu for gpu in found.values()}
