"""Takes settings of GPUs back: each of them, whatever failed before, and more than once."""

import time
from collections.abc import Sequence

from llmdvfs.errors import ClockControlError
from llmdvfs.telemetry.gpu_setting import Step
from llmdvfs.telemetry.nvml import NvmlError

NUM_TRIES = 3
BETWEEN_TRIES_S = 0.5  # a driver that is busy with another call or a reset answers again within this


def take_back(steps: Sequence[Step]) -> dict[int, str]:
    """Take every step back and return those that are left, as position in `steps` -> what the driver said last.

    A step that fails neither spares the next ones nor is given up before its third try.
    """
    left = dict.fromkeys(range(len(steps)), "")
    for number in range(NUM_TRIES):
        if number:
            time.sleep(BETWEEN_TRIES_S)
        for position in tuple(left):
            try:
                steps[position].take_back()
            except (NvmlError, ClockControlError) as error:
                left[position] = str(error)
            else:
                del left[position]
        if not left:
            break
    return left


def in_words(steps: Sequence[Step], left: dict[int, str]) -> str:
    """Say which setting is left on which GPU, why, and how it is taken back by hand."""
    return "; ".join(
        f"GPU {steps[position].gpu_index}: {steps[position].what} ({error}), by hand: {steps[position].by_hand}"
        for position, error in left.items()
    )
