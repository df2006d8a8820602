"""Holds GPUs at an operating point, and brings them back whatever happens."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import ClockControlError, GpusNotRestored
from llmdvfs.host import lock
from llmdvfs.records.point import AppliedPoint, GpuSetting, How, OperatingPoint, PointState
from llmdvfs.telemetry.change_log import ChangeLog
from llmdvfs.telemetry.gpu_setting import Step, on_grid
from llmdvfs.telemetry.held_record import lock_path, record_path, write_held
from llmdvfs.telemetry.identity import identify
from llmdvfs.telemetry.leftover import restore_leftovers
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus, or_none
from llmdvfs.telemetry.rehearsal import RIGHTS, NotRehearsed, rehearsed
from llmdvfs.telemetry.restore import in_words, take_back
from llmdvfs.telemetry.setters.setter import is_denied
from llmdvfs.telemetry.watchdog import Watchdog


@dataclass(frozen=True, slots=True)
class HeldPoint:
    """The operating point that GPUs are held at while a cell is measured."""

    applied: AppliedPoint
    """What became of the point: applied, or why not."""
    watchdog: Watchdog | None = None
    """The process that takes the point back should this one be killed; None: nothing was set."""

    def check(self) -> None:
        """Make sure that a watchdog still watches; ClockControlError where none can be had. It takes microseconds."""
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
    killed. Nothing is set that could not be taken back a moment before. Without permission, or on a GPU that is
    divided (MIG), locked by another run or changed by somebody else, nothing is changed and the outcome says why; so it
    does where the driver refuses a part and the rest was taken back.

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
        originals_w = {setting.index: gpus[setting.index].power_limit_w() for setting in settings}
        problem: tuple[PointState, str] | None
        try:
            how, steps = rehearsed(settings, gpus, originals_w)
        except NotRehearsed as refused:
            problem = refused.state, str(refused)
        else:
            log = ChangeLog(folder)
            with _taking_back(settings, steps, originals_w, gpus, log, fds, how) as (touched, watchdog):
                problem = _set_all(steps, touched, log)
                if problem is None:
                    yield HeldPoint(AppliedPoint("applied", settings, before=before, how=how), watchdog)
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


def _set_all(steps: Sequence[Step], touched: list[int], log: ChangeLog) -> tuple[PointState, str] | None:
    """Set the steps in turn; return what became of the point instead, and why, where one is refused.

    touched: takes the positions of the steps that may have been set, each of them before it is.
    """
    for position, step in enumerate(steps):
        touched.append(position)
        try:
            step.set()
        except (NvmlError, ClockControlError) as error:
            log.note(step, step.before, step.after, error)
            told = f"GPU {step.gpu_index}, {step.what}: {error}"
            if not is_denied(error):
                return "failed", told
            touched.pop()  # a missing right: this step was not made, so there is nothing to take back
            return ("failed" if touched else "not_permitted"), f"{told}; {RIGHTS}"
        log.note(step, step.before, step.after)
    return None


@contextmanager
def _taking_back(
    settings: Sequence[GpuSetting],
    steps: Sequence[Step],
    originals_w: Mapping[int, float],
    gpus: Mapping[int, NvmlGpu],
    log: ChangeLog,
    fds: Sequence[int],
    how: How,
) -> Iterator[tuple[list[int], Watchdog]]:
    """Write down what will be set, have it watched, and take back what was touched at the end of the block."""
    records = [record_path(gpus[setting.index].uuid(), log.folder) for setting in settings]
    touched: list[int] = []
    try:
        for record, setting in zip(records, settings, strict=True):
            write_held(record, setting, originals_w[setting.index], how)
        watchdog = Watchdog(settings, originals_w, records, fds, how=how, log_folder=log.folder)
    except BaseException:
        _remove(records)  # nothing was changed yet
        raise
    try:
        yield touched, watchdog
    finally:
        _bring_back(steps, touched, watchdog, records, log)


def _bring_back(
    steps: Sequence[Step], touched: Sequence[int], watchdog: Watchdog, records: Sequence[Path], log: ChangeLog
) -> None:
    """Take back what was touched; what fails here is the watchdog's to try, and its word on that is believed."""
    mine = [steps[position] for position in touched]
    try:
        left = {touched[position]: why for position, why in take_back(mine, log).items()}
    except BaseException:
        watchdog.take_over()  # interrupted: the watchdog takes all back, and removes the records
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
