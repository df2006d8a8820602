"""The ways to set clocks, in the order in which they are tried."""

from collections.abc import Callable

from llmdvfs.records.point import How
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.setters.setter import ClockSetter
from llmdvfs.telemetry.setters.sudo_smi import SudoSmiGpu
from llmdvfs.telemetry.setters.zeusd import ZeusdGpu

WAYS: dict[How, Callable[[NvmlGpu], ClockSetter]] = {
    "nvml": lambda gpu: gpu,
    "zeusd": ZeusdGpu,
    "sudo_nvidia_smi": SudoSmiGpu,
}
"""How -> what sets a GPU in this way; ClocksDenied where the way is not there."""
