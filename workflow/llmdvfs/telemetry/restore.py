"""Takes settings of GPUs back: each of them, whatever failed before, and more than once."""

import time
from collections.abc import Iterable, Iterator, Sequence

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.records.point import GpuSetting, How
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.gpu_setting import Step, steps_of
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu
from llmdvfs.telemetry.setters.ways import WAYS

NUM_TRIES = 3
BETWEEN_TRIES_S = 0.5  # a driver that is busy with another call or a reset answers again within this


def take_back(steps: Sequence[Step], log: ChangeLog) -> dict[int, str]:
    """Take every step back, and return those that could not be: position in `steps` -> what the driver said last.

    A step that fails does not keep the next ones from being taken back, and is tried three times.
    """
    left = dict.fromkeys(range(len(steps)), "")
    for number in range(NUM_TRIES):
        if number:
            time.sleep(BETWEEN_TRIES_S)
        for position in tuple(left):
            step = steps[position]
            try:
                step.take_back()
            except (NvmlError, ClockControlError) as error:
                log.note(step, step.after, step.before, error)
                left[position] = str(error)
            else:
                log.note(step, step.after, step.before)
                del left[position]
        if not left:
            break
    return left


def steps_in_any_way(
    setting: GpuSetting, original_limit_w: float, gpu: NvmlGpu, *, first: How = "nvml"
) -> Iterator[tuple[Step, ...] | ClockControlError]:
    """Yield the steps of a GPU's setting for each way to set clocks, or why there is no such way.

    first: the way to begin with.
    """
    for how in sorted(WAYS, key=lambda way: way != first):
        try:
            yield steps_of(setting, original_limit_w, gpu, how)
        except ClockControlError as error:
            yield ClockControlError(f"{how}: {error}")


def take_back_in_any_way(ways: Iterable[tuple[Step, ...] | ClockControlError], log: ChangeLog) -> tuple[Step, ...]:
    """Take all steps back in the first way in which that works, and return them; GpusNotRestored where none does."""
    problems = []
    for steps in ways:
        if isinstance(steps, ClockControlError):
            problems.append(str(steps))
            continue
        left = take_back(steps, log)
        if not left:
            return steps
        problems.append(in_words(steps, left))
    raise GpusNotRestored("; ".join(problems))


def in_words(steps: Sequence[Step], left: dict[int, str]) -> str:
    """Return a text that says which setting is left on which GPU, why, and how it is taken back by hand."""
    return "; ".join(
        f"GPU {steps[position].gpu_index}: {steps[position].what} ({error}), by hand: {steps[position].by_hand}"
        for position, error in left.items()
    )
