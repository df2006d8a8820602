"""The ways to set clocks, in the order in which they are tried."""

from collections.abc import Callable

from llmdvfs.host.capabilities import OBSERVE_VARIABLE, only_observes
from llmdvfs.records.point import How
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.setters.setter import ClocksDenied, ClockSetter
from llmdvfs.telemetry.setters.sudo_smi import SudoSmiGpu
from llmdvfs.telemetry.setters.zeusd import ZeusdGpu

FORBIDDEN = f"{OBSERVE_VARIABLE} is set: GPUs are observed, and nothing on them is changed"
WAYS: dict[How, Callable[[NvmlGpu], ClockSetter]] = {
    "nvml": lambda gpu: gpu,
    "zeusd": ZeusdGpu,
    "sudo_nvidia_smi": SudoSmiGpu,
}
"""How -> what sets a GPU in this way; ClocksDenied where the way is not there."""


def setter_of(gpu: NvmlGpu, how: How) -> ClockSetter:
    """Return the object that sets a GPU's clocks in the given way: nothing sets clocks but through here.

    ClocksDenied where the way does not exist here, or where LLMDVFS_OBSERVE forbids all of them.
    """
    if only_observes():
        raise ClocksDenied(FORBIDDEN)
    return WAYS[how](gpu)
