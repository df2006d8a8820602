"""The GPUs of this host, read through telemetry and told in the terms that serving needs."""

import logging
import os
from collections.abc import Sequence

from llmdvfs.records.device_id import gpu_id
from llmdvfs.records.host import GpuLink, HostGpu
from llmdvfs.serving.lifetime import descendants
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus
from llmdvfs.telemetry.processes import GpuProcess, gpu_processes
from llmdvfs.telemetry.topology import gpu_links

LOG = logging.getLogger(__name__)
GIB = 2**30


def host_gpus() -> list[HostGpu]:
    """Return every GPU and who computes on it; TelemetryError where there is no driver."""
    gpus = []
    for index in range(num_gpus()):
        gpu = NvmlGpu(index)
        used_bytes, total_bytes = gpu.memory_bytes()
        gpus.append(
            HostGpu(
                index=index,
                uuid=gpu.uuid(),
                name=gpu.name(),
                memory_total_bytes=total_bytes,
                memory_free_bytes=total_bytes - used_bytes,
                processes=tuple(_in_words(process) for process in gpu_processes(index)),
            )
        )
    return gpus


def foreign_processes(gpu_indices: Sequence[int]) -> tuple[str, ...] | None:
    """Return in words what else is on these GPUs besides this job's own processes; None: there is no GPU to look at."""
    if not gpu_indices:
        return None
    own = {os.getpid(), *descendants(os.getpid())}
    found = {index: gpu_processes(index, own) for index in gpu_indices}
    return tuple(f"{gpu_id(index)}: {_in_words(process)}" for index, others in found.items() for process in others)


def links_between(gpu_indices: Sequence[int]) -> tuple[GpuLink, ...] | None:
    """Return how each two of these GPUs are linked; None: there are not two, or the driver does not tell."""
    if len(gpu_indices) < 2:
        return None
    try:
        return gpu_links(gpu_indices)
    except NvmlError as error:
        LOG.info("links between GPUs unknown: %s", error)
        return None


def _in_words(process: GpuProcess) -> str:
    size = "" if process.memory_bytes is None else f", {process.memory_bytes / GIB:.1f} GiB"
    return f"process {process.pid} ({process.name or 'not visible from here'}){size}"
