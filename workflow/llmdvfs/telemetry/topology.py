"""How the GPUs of this machine are linked to one another."""

from collections.abc import Callable, Sequence
from itertools import combinations

from llmdvfs.records.host import GpuLink, PciePath
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu

PCIE_PATHS: dict[int, PciePath] = {
    0: "same_board",
    10: "one_switch",
    20: "several_switches",
    30: "host_bridge",
    40: "numa_node",
    50: "system",
}
"""nvmlGpuTopologyLevel_t -> where two GPUs meet on PCIe, nearest first."""


def gpu_links(indices: Sequence[int]) -> tuple[GpuLink, ...]:
    """Return the link between every two of these GPUs; NvmlError where the driver does not tell.

    indices: NVML's; `nvml.num_gpus` was called before.
    """
    gpus = [NvmlGpu(index) for index in indices]
    return tuple(_link(first, second) for first, second in combinations(gpus, 2))


def _link(first: NvmlGpu, second: NvmlGpu) -> GpuLink:
    is_nvlinked = first.is_nvlinked_to(second) and second.is_nvlinked_to(first)
    rate = NvmlGpu.nvlink_rate_bytes_per_s if is_nvlinked else NvmlGpu.pcie_rate_bytes_per_s
    return GpuLink(
        first=first.index,
        second=second.index,
        pcie_path=PCIE_PATHS[first.common_ancestor(second)],
        has_peer_access=first.can_access(second) and second.can_access(first),
        is_nvlinked=is_nvlinked,
        rate_bytes_per_s=_lower(rate, first, second),
    )


def _lower(rate: Callable[[NvmlGpu], float | None], first: NvmlGpu, second: NvmlGpu) -> float | None:
    """Return the rate of the slower of the two; None where one does not tell."""
    try:
        rates = [rate(gpu) for gpu in (first, second)]
    except NvmlError as error:
        if error.is_absent:
            return None
        raise
    told = [value for value in rates if value]
    return min(told) if len(told) == len(rates) else None
