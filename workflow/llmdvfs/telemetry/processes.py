"""Finds the processes that hold a GPU."""

from collections.abc import Container
from dataclasses import dataclass

import psutil

from llmdvfs.telemetry.nvml import NvmlGpu


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds a GPU."""

    pid: int
    """As the driver sees it: in a container it may be a number that means nothing inside."""
    name: str | None
    """Name of its program; None: the process cannot be seen from here."""
    memory_bytes: int | None


def gpu_processes(index: int, own_pids: Container[int] = ()) -> tuple[GpuProcess, ...]:
    """Return the processes that hold a GPU and are not among `own_pids`; NvmlError where the driver does not tell.

    It takes about 5 ms and a lock in the driver: before and after a measurement, never during one. `nvml.num_gpus`
    was called before.
    """
    found = NvmlGpu(index).processes()
    return tuple(GpuProcess(pid, _name(pid), size) for pid, size in sorted(found.items()) if pid not in own_pids)


def _name(pid: int) -> str | None:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return None
