"""Finds what a run that was killed together with its watchdog has left on a GPU, and takes it back."""

import logging
import os
import time
from pathlib import Path

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.host.lock import holder_of, take_lock
from llmdvfs.telemetry.gpu_setting import steps_of
from llmdvfs.telemetry.held_record import boot_id, lock_path, read_held, record_path
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.restore import in_words, take_back

LOG = logging.getLogger(__name__)
ENDING_LIMIT_S = 3.0  # a watchdog whose owner was just killed restores within this
POLL_INTERVAL_S = 0.05


def restore_leftovers(gpu: NvmlGpu, folder: Path) -> None:
    """Take back what a killed run has left on a GPU; nothing is touched where there is no record of one.

    ClockControlError where another run that lives holds the GPU's clocks, or the record cannot be believed;
    GpusNotRestored where the GPU stays as it was left.
    """
    record = record_path(gpu.uuid(), folder)
    if not os.path.lexists(record):
        return
    lock = _take(gpu, lock_path(gpu.uuid(), folder))
    try:
        held = read_held(record)  # again, now that nobody else can be at it
        if held is None:
            return
        if held.boot_id == boot_id():
            steps = steps_of(held.setting, held.original_limit_w, gpu)
            left = take_back(steps)
            if left:
                raise GpusNotRestored(
                    f"an earlier run has left settings that cannot be taken back: {in_words(steps, left)}; "
                    f"then remove {record}"
                )
            told = ", ".join(step.what for step in steps)
            LOG.warning("GPU %d: an earlier run had left its %s set; taken back", gpu.index, told)
        record.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _take(gpu: NvmlGpu, path: Path) -> int:
    deadline = time.monotonic() + ENDING_LIMIT_S
    while (lock := take_lock(path)) is None:
        if time.monotonic() > deadline:
            raise ClockControlError(
                f"another run ({holder_of(path)}) holds the clocks of GPU {gpu.index}; wait until it has ended ({path})"
            )
        time.sleep(POLL_INTERVAL_S)
    return lock
