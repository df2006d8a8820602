"""What an operating point asks of each GPU, and how it is asked and undone."""

from dataclasses import replace

from llmdvfs.errors import ClockControlError
from llmdvfs.records.point import GpuSetting
from llmdvfs.telemetry.nvml import NvmlGpu

LIMIT_TOLERANCE_W = 1.0  # drivers round limits to whole watts


def on_grid(setting: GpuSetting, gpu: NvmlGpu) -> GpuSetting:
    """Return the setting with each clock replaced by the nearest that the GPU supports, as the driver would do."""
    return replace(
        setting,
        sm_clock_mhz=_nearest(setting.sm_clock_mhz, gpu.supported_sm_clocks_mhz()),
        memory_clock_mhz=_nearest(setting.memory_clock_mhz, gpu.supported_memory_clocks_mhz()),
    )


def _nearest(wanted: int | None, supported: list[int]) -> int | None:
    return None if wanted is None else min(supported, key=lambda clock: abs(clock - wanted))


def apply(setting: GpuSetting, gpu: NvmlGpu) -> None:
    """Set clocks and limit; NvmlError where the driver refuses, ClockControlError where the limit does not read back.

    The driver has no way to read a lock back: whether the clock is reached shows only under load.
    """
    if setting.sm_clock_mhz is not None:
        gpu.lock_sm_clock(setting.sm_clock_mhz)
    if setting.memory_clock_mhz is not None:
        gpu.lock_memory_clock(setting.memory_clock_mhz)
    if setting.power_limit_w is not None:
        gpu.set_power_limit(setting.power_limit_w)
        _check_limit(gpu, setting.power_limit_w)


def undo(setting: GpuSetting, original_limit_w: float, gpu: NvmlGpu) -> None:
    """Undo what `apply` may have set, and nothing else; same errors."""
    if setting.sm_clock_mhz is not None:
        gpu.reset_sm_clock()
    if setting.memory_clock_mhz is not None:
        gpu.reset_memory_clock()
    if setting.power_limit_w is not None:
        gpu.set_power_limit(original_limit_w)
        _check_limit(gpu, original_limit_w)


def _check_limit(gpu: NvmlGpu, expected_w: float) -> None:
    seen_w = gpu.power_limit_w()
    if abs(seen_w - expected_w) > LIMIT_TOLERANCE_W:
        raise ClockControlError(
            f"the power limit of GPU {gpu.index} reads {seen_w:g} W after {expected_w:g} W was set; "
            "look at `nvidia-smi -q -d POWER`: something else may be setting it"
        )
