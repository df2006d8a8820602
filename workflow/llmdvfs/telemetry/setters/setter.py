"""What every way to set clocks can do: the interface that they share."""

from typing import Protocol

from llmdvfs.errors import ClockControlError
from llmdvfs.telemetry.nvml import NvmlError


class ClocksDenied(ClockControlError):
    """A way to set clocks does not exist here, or this process may not use it; nothing was changed."""


class ClockSetter(Protocol):
    """Sets clocks and power limit of one GPU. Each call raises NvmlError or ClockControlError where it is refused."""

    def lock_sm_clock(self, low_mhz: int, high_mhz: int) -> None:
        """Keep the core clock between two values; equal ones lock it."""

    def lock_memory_clock(self, clock_mhz: int) -> None:
        """Lock the memory clock."""

    def reset_sm_clock(self) -> None:
        """Undo any lock of the core clock."""

    def reset_memory_clock(self) -> None:
        """Undo any lock of the memory clock."""

    def set_power_limit(self, limit_w: float) -> None:
        """Set the power limit."""


def is_denied(error: Exception) -> bool:
    """Return whether an error means that a right is missing; any other error is the driver's refusal."""
    return isinstance(error, ClocksDenied) or (isinstance(error, NvmlError) and error.is_denied)
