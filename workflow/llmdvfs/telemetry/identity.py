"""Looks at a GPU before a cell: which one it is, and whether somebody has changed it."""

import time

from llmdvfs.records.point import GpuIdentity
from llmdvfs.telemetry.nvml import NvmlGpu, or_none

CLOCK_SETTING = 0x02  # clock event: a lock or an application clock of somebody holds the clock down
SETTLING_LIMIT_S = 1.0
POLL_INTERVAL_S = 0.02


def identify(gpu: NvmlGpu) -> GpuIdentity:
    """Return the GPU as it is now; NvmlError where it is lost. What the driver does not tell is None."""
    details = gpu.details()
    persistence = details["persistence_mode"]
    return GpuIdentity(
        index=gpu.index,
        uuid=gpu.uuid(),
        name=gpu.name(),
        serial=or_none(gpu.serial),
        driver=None if details["driver"] is None else str(details["driver"]),
        vbios=or_none(gpu.vbios),
        persistence_mode=None if persistence is None else bool(persistence),
        power_limit_w=or_none(gpu.power_limit_w),
        default_power_limit_w=or_none(gpu.default_power_limit_w),
        application_sm_clock_mhz=or_none(gpu.application_sm_clock_mhz),
        default_application_sm_clock_mhz=or_none(gpu.default_application_sm_clock_mhz),
        clocks_held=_clocks_held(gpu),
    )


def _clocks_held(gpu: NvmlGpu) -> bool | None:
    """Return whether the clock is held for longer than a lock that was just let go takes to settle."""
    deadline = time.monotonic() + SETTLING_LIMIT_S
    while True:
        reasons = or_none(gpu.clock_event_reasons)
        if reasons is None or not reasons & CLOCK_SETTING:
            return None if reasons is None else False
        if time.monotonic() > deadline:
            return True
        time.sleep(POLL_INTERVAL_S)
