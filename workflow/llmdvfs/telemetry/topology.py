"""How the GPUs of this machine are linked to one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from llmdvfs.telemetry.nvml import NvmlGpu

PciePath = Literal["same_board", "one_switch", "several_switches", "host_bridge", "numa_node", "system"]
PCIE_PATHS: dict[int, PciePath] = {
    0: "same_board",
    10: "one_switch",
    20: "several_switches",
    30: "host_bridge",
    40: "numa_node",
    50: "system",
}
"""nvmlGpuTopologyLevel_t -> where two GPUs meet on PCIe, nearest first."""


@dataclass(frozen=True, slots=True)
class GpuLink:
    """Two GPUs, by NVML index."""

    first: int
    second: int
    pcie_path: PciePath
    has_peer_access: bool
    """Both can read and write the other's memory directly: what P2P NCCL and NIXL need to be fast."""
    is_nvlinked: bool
    """That access goes over NVLink, in both directions."""


def gpu_links(indices: Sequence[int]) -> tuple[GpuLink, ...]:
    """Return every pair of the GPUs; NvmlError where the driver does not tell. `nvml.num_gpus` was called before."""
    gpus = [NvmlGpu(index) for index in indices]
    return tuple(_link(first, second) for first, second in combinations(gpus, 2))


def _link(first: NvmlGpu, second: NvmlGpu) -> GpuLink:
    return GpuLink(
        first=first.index,
        second=second.index,
        pcie_path=PCIE_PATHS[first.common_ancestor(second)],
        has_peer_access=first.can_access(second) and second.can_access(first),
        is_nvlinked=first.is_nvlinked_to(second) and second.is_nvlinked_to(first),
    )
