"""Resets a GPU to its maker's settings, whoever has changed them.

It is for people who ask for it; no run of a study does it.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from llmdvfs.records.point import GpuSetting
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.gpu_setting import Step
from llmdvfs.telemetry.held_record import lock_path
from llmdvfs.telemetry.leftover import restore_leftovers, wait_for_lock
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, or_none
from llmdvfs.telemetry.restore import steps_in_any_way, take_back_in_any_way

ANY_CLOCK_MHZ = 1  # any value will do: the setting is only taken back, never made


def restore_factory(gpu: NvmlGpu, folder: Path) -> list[str]:
    """Lift all locks of a GPU's clocks and set its default power limit; return in words what was reset.

    folder: that of the locks, so that no run's settings are taken away. ClockControlError where a run holds the GPU's
    clocks now; GpusNotRestored where the driver refuses.
    """
    restore_leftovers(gpu, folder)
    default_w = or_none(gpu.default_power_limit_w)
    lock = wait_for_lock(gpu, lock_path(gpu.uuid(), folder))
    try:
        setting = GpuSetting(gpu.index, ANY_CLOCK_MHZ, ANY_CLOCK_MHZ, default_w)
        ways = (
            tuple(_whatever_it_was(step) for step in way) if isinstance(way, tuple) else way
            for way in steps_in_any_way(setting, default_w or 0.0, gpu)
        )
        return [step.what for step in take_back_in_any_way(ways, ChangeLog(folder))]
    finally:
        os.close(lock)


def _whatever_it_was(step: Step) -> Step:
    """Return the step with words for a change whose beginning is not known, and content with what the GPU lacks."""
    is_limit = step.what == "power limit"
    return replace(step, after="as found", take_back=step.take_back if is_limit else _unless_absent(step.take_back))


def _unless_absent(reset: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            reset()
        except NvmlError as error:
            if not error.is_absent:
                raise

    return run
