"""Splits what an operating point asks of a GPU into steps, each of which can be set and taken back by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llmdvfs.errors import ClockControlError
from llmdvfs.records.point import GpuSetting, How
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.setters.setter import ClockSetter
from llmdvfs.telemetry.setters.ways import setter_of

LIMIT_TOLERANCE_W = 1.0  # drivers round limits to whole watts
NOT_LOCKED = "not locked"


@dataclass(frozen=True, slots=True)
class Step:
    """One setting of one GPU, with the calls that set it and take it back.

    Both calls raise NvmlError, or ClockControlError where a limit does not read back. The driver has no way to read a
    lock of a clock back: whether the clock is reached shows only under load.
    """

    gpu_index: int
    what: str
    """`core clock`, `memory clock` or `power limit`."""
    set: Callable[[], None]
    take_back: Callable[[], None]
    by_hand: str
    """The command with which an administrator takes it back."""
    before: str = NOT_LOCKED
    """Value without the step, in words ..."""
    after: str = ""
    """... and with it."""
    how: How = "nvml"


def on_grid(setting: GpuSetting, gpu: NvmlGpu) -> GpuSetting:
    """Return the setting with each clock replaced by the nearest that the GPU supports, as the driver does itself."""
    return replace(
        setting,
        sm_clock_mhz=_nearest(setting.sm_clock_mhz, gpu.supported_sm_clocks_mhz),
        sm_clock_min_mhz=_nearest(setting.sm_clock_min_mhz, gpu.supported_sm_clocks_mhz),
        memory_clock_mhz=_nearest(setting.memory_clock_mhz, gpu.supported_memory_clocks_mhz),
    )


def _nearest(wanted: int | None, supported: Callable[[], Sequence[int]]) -> int | None:
    return None if wanted is None else min(supported(), key=lambda clock: abs(clock - wanted))


def steps_of(setting: GpuSetting, original_limit_w: float, gpu: NvmlGpu, how: How = "nvml") -> tuple[Step, ...]:
    """Return the steps of one GPU's setting in the order in which they are set; what it leaves alone has no step.

    original_limit_w: power limit to go back to. how: the way to set clocks. ClocksDenied where that way does not exist
    here; whether it is permitted shows only with the first step.
    """
    setter = setter_of(gpu, how)
    smi, steps = f"nvidia-smi -i {gpu.index}", []
    if (sm_range := setting.sm_clock_range_mhz) is not None:
        low_mhz, high_mhz = sm_range
        words = f"{high_mhz} MHz" if low_mhz == high_mhz else f"{low_mhz} to {high_mhz} MHz"
        steps.append(
            Step(
                gpu.index,
                "core clock",
                lambda: setter.lock_sm_clock(low_mhz, high_mhz),
                setter.reset_sm_clock,
                f"{smi} -rgc",
                after=words,
                how=how,
            )
        )
    if (memory_mhz := setting.memory_clock_mhz) is not None:
        steps.append(
            Step(
                gpu.index,
                "memory clock",
                lambda: setter.lock_memory_clock(memory_mhz),
                setter.reset_memory_clock,
                f"{smi} -rmc",
                after=f"{memory_mhz} MHz",
                how=how,
            )
        )
    if (limit_w := setting.power_limit_w) is not None:
        steps.append(
            Step(
                gpu.index,
                "power limit",
                lambda: _set_limit(setter, gpu, limit_w),
                lambda: _set_limit(setter, gpu, original_limit_w),
                f"{smi} -pl {original_limit_w:g}",
                before=f"{original_limit_w:g} W",
                after=f"{limit_w:g} W",
                how=how,
            )
        )
    return tuple(steps)


def _set_limit(setter: ClockSetter, gpu: NvmlGpu, limit_w: float) -> None:
    setter.set_power_limit(limit_w)
    seen_w = gpu.power_limit_w()
    if abs(seen_w - limit_w) > LIMIT_TOLERANCE_W:
        raise ClockControlError(
            f"the power limit of GPU {gpu.index} reads {seen_w:g} W after {limit_w:g} W was set; "
            "look at `nvidia-smi -q -d POWER`: something else may be setting it"
        )
