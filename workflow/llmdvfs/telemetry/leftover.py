"""Finds what a run left on a GPU that was killed together with its watchdog, and takes that back."""

import logging
import os
import time
from pathlib import Path

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.host.lock import holder_of, take_lock
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.held_record import boot_id, lock_path, read_held, record_path
from llmdvfs.telemetry.nvml import NvmlGpu
from llmdvfs.telemetry.restore import steps_in_any_way, take_back_in_any_way

LOG = logging.getLogger(__name__)
ENDING_LIMIT_S = 3.0  # a watchdog whose owner was just killed restores within this
POLL_INTERVAL_S = 0.05


def restore_leftovers(gpu: NvmlGpu, folder: Path) -> bool:
    """Take back what a killed run has left on a GPU, and return whether there was anything.

    Nothing is touched where no record of such a run lies beside the GPU's lock. ClockControlError where a living run
    holds the GPU's clocks, or the record cannot be believed; GpusNotRestored where the GPU stays as it was left.
    """
    record = record_path(gpu.uuid(), folder)
    if not os.path.lexists(record):
        return False
    lock = wait_for_lock(gpu, lock_path(gpu.uuid(), folder))
    try:
        held = read_held(record)  # read again under the lock: nobody can change it any more
        if held is None:
            return False
        if held.boot_id == boot_id():
            ways = steps_in_any_way(held.setting, held.original_limit_w, gpu, first=held.how)
            try:
                steps = take_back_in_any_way(ways, ChangeLog(folder))
            except GpusNotRestored as error:
                raise GpusNotRestored(
                    f"an earlier run has left settings that cannot be taken back: {error}; then remove {record}"
                ) from error
            told = ", ".join(step.what for step in steps)
            LOG.warning("GPU %d: an earlier run had left its %s set; taken back", gpu.index, told)
        record.unlink(missing_ok=True)
        return True
    finally:
        os.close(lock)


def wait_for_lock(gpu: NvmlGpu, path: Path) -> int:
    """Return the descriptor of the lock on a GPU's clocks; ClockControlError where a living run keeps it."""
    deadline = time.monotonic() + ENDING_LIMIT_S
    while (lock := take_lock(path)) is None:
        if time.monotonic() > deadline:
            raise ClockControlError(
                f"another run ({holder_of(path)}) holds the clocks of GPU {gpu.index}; wait until it has ended ({path})"
            )
        time.sleep(POLL_INTERVAL_S)
    return lock
