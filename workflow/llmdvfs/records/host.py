"""The GPUs of a host before anything is started, how they are linked, and the network between hosts."""

from dataclasses import dataclass
from typing import Literal

PciePath = Literal["same_board", "one_switch", "several_switches", "host_bridge", "numa_node", "system"]
"""Where two GPUs meet on PCIe, nearest first."""


@dataclass(frozen=True, slots=True)
class HostGpu:
    """One GPU of this host, and who uses it."""

    index: int
    """In PCI order, as NVML and nvidia-smi count."""
    uuid: str
    name: str
    memory_total_bytes: int
    memory_free_bytes: int
    processes: tuple[str, ...] = ()
    """Processes that compute on it, in words: `process 4711 (python train.py), 12.0 GiB`."""


@dataclass(frozen=True, slots=True)
class GpuLink:
    """The best way between two GPUs of one host, which are named by NVML index."""

    first: int
    second: int
    pcie_path: PciePath
    has_peer_access: bool
    """Whether both can read and write the other's memory directly: what P2P NCCL and NIXL need to be fast."""
    is_nvlinked: bool
    """Whether that access goes over NVLink, in both directions."""
    rate_bytes_per_s: float | None = None
    """Nominal rate in one direction: all NVLinks of the GPU that has fewer, else PCIe's; None: the driver does not
    tell."""


@dataclass(frozen=True, slots=True)
class NetworkPath:
    """The network devices over which KV cache was sent between instances."""

    devices: tuple[str, ...]
    """InfiniBand or RoCE ports (`mlx5_0:1`) or interfaces (`eth0`)."""
    rate_bytes_per_s: float | None
    """Nominal rate in one direction, all devices together; None: the system does not tell."""
    is_measured: bool = False
    """Whether the rate is what one TCP stream between two hosts carried just before the cell, not a nominal one."""
