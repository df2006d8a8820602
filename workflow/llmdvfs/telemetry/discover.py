"""Finds the probes of this machine, and what they can say about energy."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llmdvfs.errors import TelemetryError
from llmdvfs.records.device_id import gpu_id
from llmdvfs.records.telemetry import BEST_LAST, EnergySource, TelemetryDevice
from llmdvfs.telemetry.cpu import CpuProbe
from llmdvfs.telemetry.device import Probe
from llmdvfs.telemetry.gpu import GpuCounterProbe, GpuLinkProbe, GpuStateProbe, describe_gpu
from llmdvfs.telemetry.gpu_fine import GpuActivityProbe, GpuPowerSamplesProbe, fine_probes
from llmdvfs.telemetry.host_power import host_power_probes
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus
from llmdvfs.telemetry.rapl import POWERCAP, rapl_probes


@dataclass(frozen=True, slots=True)
class Discovery:
    """The probes of this machine, the source of its energy, and what it lacks."""

    probes: tuple[Probe, ...]
    energy_source: EnergySource
    """The worst source among the GPUs where there are GPUs; else the CPU's."""
    absences: tuple[str, ...]
    """What cannot be read here, each with its reason."""

    @property
    def devices(self) -> tuple[TelemetryDevice, ...]:
        """Return every device that has a probe, each once, GPUs first."""
        return tuple({probe.device.device_id: probe.device for probe in self.probes}.values())


def discover(
    gpu_indices: Sequence[int] | None,
    *,
    needed: Collection[int] | None = None,
    exporters: Sequence[str] = (),
    rapl_root: Path = POWERCAP,
) -> Discovery:
    """Return what can be read on this machine: the GPUs asked for, RAPL where it may be read, and the CPU.

    The power of the whole host, too, where the environment says how.

    gpu_indices: NVML's; None: all GPUs, or none where there is no driver. exporters: addresses of dcgm-exporters of
    other hosts, whose GPUs come after those of this one.
    needed: those of them that must answer; None: all. Another one that does not answer is told among the absences.
    TelemetryError where a GPU that was asked for is not there, or a needed one or an exporter does not answer.
    """
    absences: list[str] = []
    probes: list[Probe] = []
    sources: list[EnergySource] = []
    for index in _indices(gpu_indices, absences):
        try:
            gpu_probes, source = _gpu_probes(index, absences)
        except NvmlError as error:
            if needed is None or index in needed:
                raise
            absences.append(f"{gpu_id(index)} does not answer and serves nobody here: {error}")
            continue
        probes += gpu_probes
        sources.append(source)
    for url in exporters:
        # Here, since every cell's sampler would wait for its HTTP library.
        from llmdvfs.telemetry.exporter import exporter_probes

        elsewhere = exporter_probes(url)
        probes += elsewhere
        sources += [probe.device.energy_source or "none" for probe in elsewhere]
    rapl, no_rapl = rapl_probes(rapl_root)
    host, no_host = host_power_probes()
    absences += [reason for reason in (no_rapl, no_host) if reason]
    if not sources:
        sources = ["rapl" if rapl else "none"]
    return Discovery((*probes, *rapl, *host, CpuProbe()), min(sources, key=BEST_LAST.index), tuple(absences))


def _indices(wanted: Sequence[int] | None, absences: list[str]) -> Sequence[int]:
    if wanted is not None and not wanted:
        return ()
    try:
        count = num_gpus()
    except NvmlError as error:
        if wanted is None:
            absences.append(f"no GPU: {error}")
            return ()
        raise TelemetryError(f"GPUs {list(wanted)} cannot be read: {error}; is the NVIDIA driver loaded?") from error
    missing = [index for index in wanted or () if not 0 <= index < count]
    if missing:
        raise TelemetryError(f"there is no GPU {missing}; this machine has {count}, numbered from 0 (nvidia-smi -L)")
    return range(count) if wanted is None else wanted


def _gpu_probes(index: int, absences: list[str]) -> tuple[list[Probe], EnergySource]:
    gpu = NvmlGpu(index)
    device = describe_gpu(gpu)
    state, links = GpuStateProbe(gpu, device), GpuLinkProbe(gpu, device)
    probes: list[GpuStateProbe | GpuCounterProbe | GpuLinkProbe | GpuPowerSamplesProbe | GpuActivityProbe] = [state]
    source: EnergySource = "nvml_power" if state.has_power else "none"
    try:
        probes.append(GpuCounterProbe(gpu, device))
        source = "nvml_counter"
    except NvmlError as error:
        if error.is_lost:
            raise
        absences.append(f"no energy counter on {device.device_id}: {error}")
    probes += [links] if links.has_links else []
    fine, missing = fine_probes(gpu, device)
    absences += missing
    probes += fine
    for probe in probes:
        probe.device = replace(device, energy_source=source)
    return list(probes), source
