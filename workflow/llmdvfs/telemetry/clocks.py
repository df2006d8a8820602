"""Holds GPUs at an operating point, and brings them back whatever happens."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.host import lock
from llmdvfs.records.point import AppliedPoint, GpuSetting, OperatingPoint, PointState
from llmdvfs.telemetry.gpu_setting import Step, on_grid, steps_of
from llmdvfs.telemetry.held_record import lock_path, record_path, write_held
from llmdvfs.telemetry.identity import identify
from llmdvfs.telemetry.leftover import restore_leftovers
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus, or_none
from llmdvfs.telemetry.restore import in_words, take_back
from llmdvfs.telemetry.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class HeldPoint:
    """An operating point while a cell is measured at it."""

    applied: AppliedPoint
    watchdog: Watchdog | None = None
    """None: nothing was set, so there is nothing to watch."""

    def check(self) -> None:
        """See to it that the point is still watched over; ClockControlError where it cannot be. Microseconds."""
        if self.watchdog is not None:
            self.watchdog.check()


@contextmanager
def locked_clocks(
    point: OperatingPoint,
    gpus_of_role: Mapping[str, Sequence[int]],
    *,
    gpu_indices: Sequence[int] = (),
    lock_folder: Path | None = None,
) -> Iterator[HeldPoint]:
    """Hold the point's clocks and power limits inside the block, and take them back at its end.

    gpu_indices: further GPUs that are looked at. All are, also where nothing is asked of them: what a killed run has
    left is taken back first, and how they were found is told. A watchdog takes everything back if this process is
    killed. Without permission, or on a GPU that is divided (MIG), locked by another run or changed by somebody else,
    nothing is changed and the outcome says why; so it does where the driver refuses a part and the rest was taken back.

    GpusNotRestored where a GPU could not be brought back: nothing more may be measured.
    """
    indices = sorted({*gpu_indices, *(index for of_role in gpus_of_role.values() for index in of_role)})
    if not indices:
        yield HeldPoint(AppliedPoint("stock"))
        return
    folder = lock_folder or lock.lock_folder()
    num_gpus()
    gpus = {index: NvmlGpu(index) for index in indices}
    wanted = point.of_gpus(gpus_of_role)
    with ExitStack() as stack:
        refusal, fds = None, []
        try:
            for gpu in gpus.values():
                restore_leftovers(gpu, folder)
            fds = [_lock(gpus[setting.index], folder, stack) for setting in wanted]
        except GpusNotRestored:
            raise
        except ClockControlError as error:
            if not wanted:
                raise  # stock cells do not run on GPUs that another run holds
            refusal = str(error)
        before = tuple(identify(gpu) for gpu in gpus.values())
        if not wanted:
            yield HeldPoint(AppliedPoint("stock", before=before))
            return
        asked_of = {setting.index for setting in wanted}
        refusal = refusal or next(filter(None, (_divided(gpus[index]) for index in asked_of)), None)
        departures = (gpu.departs_from_stock for gpu in before if gpu.index in asked_of)
        refusal = refusal or next((f"somebody has changed {seen}" for seen in departures if seen), None)
        if refusal:
            yield HeldPoint(AppliedPoint("refused", reason=refusal, before=before))
            return
        settings = tuple(on_grid(setting, gpus[setting.index]) for setting in wanted)
        problem: tuple[PointState, str] | None
        with _taking_back(settings, gpus, folder, fds) as (steps, touched, watchdog):
            problem = _set_all(steps, touched)
            if problem is None:
                yield HeldPoint(AppliedPoint("applied", settings, before=before), watchdog)
        if problem is not None:
            yield HeldPoint(AppliedPoint(problem[0], reason=problem[1], before=before))


def _lock(gpu: NvmlGpu, folder: Path, stack: ExitStack) -> int:
    """Lock a GPU against other runs until the stack ends; ClockControlError where another run holds it."""
    path = lock_path(gpu.uuid(), folder)
    fd = lock.take_lock(path)
    if fd is None:
        raise ClockControlError(
            f"another run ({lock.holder_of(path)}) holds the clocks of GPU {gpu.index}; wait until it has ended"
        )
    stack.callback(os.close, fd)
    return fd


def _divided(gpu: NvmlGpu) -> str | None:
    if or_none(gpu.mig_mode) != 1:
        return None
    return f"GPU {gpu.index} is divided into MIG instances, whose clocks are shared"


def _set_all(steps: Sequence[Step], touched: list[int]) -> tuple[PointState, str] | None:
    """Set the steps in turn; return what became of the point instead, and why, where one is refused.

    touched: takes the positions of the steps that may have been set, each of them before it is.
    """
    for position, step in enumerate(steps):
        touched.append(position)
        try:
            step.set()
        except (NvmlError, ClockControlError) as error:
            told = f"GPU {step.gpu_index}, {step.what}: {error}"
            if not (isinstance(error, NvmlError) and error.is_denied):
                return "failed", told
            touched.pop()  # what this process may not set, it has not set
            return ("failed" if touched else "not_permitted"), f"{told}; it needs root or CAP_SYS_ADMIN"
    return None


@contextmanager
def _taking_back(
    settings: Sequence[GpuSetting], gpus: Mapping[int, NvmlGpu], folder: Path, fds: Sequence[int]
) -> Iterator[tuple[Sequence[Step], list[int], Watchdog]]:
    """Write down what will be set, have it watched, and take back what was touched at the end of the block."""
    originals_w = {setting.index: gpus[setting.index].power_limit_w() for setting in settings}
    steps = [step for one in settings for step in steps_of(one, originals_w[one.index], gpus[one.index])]
    records = [record_path(gpus[setting.index].uuid(), folder) for setting in settings]
    touched: list[int] = []
    try:
        for record, setting in zip(records, settings, strict=True):
            write_held(record, setting, originals_w[setting.index])
        watchdog = Watchdog(settings, originals_w, records, fds)
    except BaseException:
        _remove(records)  # nothing was changed yet
        raise
    try:
        yield steps, touched, watchdog
    finally:
        _bring_back(steps, touched, watchdog, records)


def _bring_back(steps: Sequence[Step], touched: Sequence[int], watchdog: Watchdog, records: Sequence[Path]) -> None:
    """Take back what was touched; what fails here is the watchdog's to try, and its word on that is believed."""
    mine = [steps[position] for position in touched]
    try:
        left = {touched[position]: why for position, why in take_back(mine).items()}
    except BaseException:
        watchdog.take_over()  # interrupted: it does all of it, and removes the records
        raise
    if left:
        seen = watchdog.take_over()
        left = left if seen is None else {position: why for position, why in seen.items() if position in left}
    else:
        watchdog.dismiss()
    if left:
        raise GpusNotRestored(
            f"could not be brought back: {in_words(steps, left)}; nothing more is measured before that is done"
        )
    _remove(records)


def _remove(records: Sequence[Path]) -> None:
    for record in records:
        record.unlink(missing_ok=True)
