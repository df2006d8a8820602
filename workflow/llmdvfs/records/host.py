"""A GPU of this host, as it is before anything is started."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostGpu:
    """One GPU and who uses it."""

    index: int
    """In PCI order, as NVML and nvidia-smi count."""
    uuid: str
    name: str
    memory_total_bytes: int
    memory_free_bytes: int
    processes: tuple[str, ...] = ()
    """Processes that compute on it, in words: `process 4711 (python train.py), 12.0 GiB`."""
