"""Holds GPUs at an operating point, and brings them back whatever happens."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, cast

import llmdvfs
from llmdvfs.errors import ClockControlError
from llmdvfs.records.point import GpuSetting, OperatingPoint
from llmdvfs.telemetry.gpu_setting import apply, on_grid, undo
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu, num_gpus

LOCK_FOLDER = Path(tempfile.gettempdir())
CLOCK_SETTING = 0x02  # clock event: a lock or an application clock of somebody holds the clock down
RESTORED = b"restored\n"


@dataclass(frozen=True, slots=True)
class ClockOutcome:
    """What became of an operating point."""

    state: Literal["stock", "applied", "not_permitted", "refused"]
    """stock: it asks for nothing; the last two: the GPUs run at stock clocks, for the reason given."""
    reason: str | None
    settings: tuple[GpuSetting, ...]
    """As they were set, on the GPUs' own grid; empty unless applied."""


@contextmanager
def locked_clocks(
    point: OperatingPoint, gpus_of_role: Mapping[str, Sequence[int]], lock_folder: Path = LOCK_FOLDER
) -> Iterator[ClockOutcome]:
    """Hold the point's clocks and power limits inside the block, and undo them at its end.

    A detached watchdog undoes them if this process is killed. Without permission, or on a GPU that is divided (MIG),
    locked by another run or set by somebody else, nothing is changed and the outcome says why. ClockControlError where
    a GPU could not be brought back: no more points should be run.
    """
    wanted = point.of_gpus(gpus_of_role)
    if not wanted:
        yield ClockOutcome("stock", None, ())
        return
    num_gpus()
    gpus = {setting.index: NvmlGpu(setting.index) for setting in wanted}
    with ExitStack() as stack:
        locked_files, refusal = _take(gpus.values(), lock_folder, stack)
        if refusal:
            yield ClockOutcome("refused", refusal, ())
            return
        settings = tuple(on_grid(setting, gpus[setting.index]) for setting in wanted)
        originals_w = {index: gpu.power_limit_w() for index, gpu in gpus.items()}
        watchdog = _start_watchdog(settings, originals_w, locked_files)
        last_word = b""  # closing the pipe without a word has the watchdog try once more
        try:
            denial = _apply_all(settings, originals_w, gpus)
            try:
                yield ClockOutcome("not_permitted", denial, ()) if denial else ClockOutcome("applied", None, settings)
            finally:
                if not denial:
                    _undo_all(settings, originals_w, gpus)
                last_word = RESTORED
        finally:
            watchdog.communicate(last_word)


def _take(gpus: Iterable[NvmlGpu], lock_folder: Path, stack: ExitStack) -> tuple[list[IO[str]], str | None]:
    """Lock the GPUs against other runs until the stack ends; return the files, and why a GPU must be left alone."""
    files: list[IO[str]] = []
    try:
        for gpu in gpus:
            _check_unchanged(gpu)
            files.append(stack.enter_context(_lock(gpu, lock_folder)))
    except _Refused as refusal:
        return files, str(refusal)
    return files, None


class _Refused(Exception):
    """A GPU must be left alone; the message says why."""


def _check_unchanged(gpu: NvmlGpu) -> None:
    if _is_divided(gpu):
        raise _Refused(f"GPU {gpu.index} is divided into MIG instances, whose clocks are shared")
    limit_w, default_w = gpu.power_limit_w(), gpu.default_power_limit_w()
    if limit_w != default_w:
        raise _Refused(
            f"somebody has set the power limit of GPU {gpu.index} to {limit_w:g} W (default {default_w:g} W)"
        )
    if gpu.clock_event_reasons() & CLOCK_SETTING:
        raise _Refused(f"somebody has locked the clocks of GPU {gpu.index} (nvidia-smi -q -d CLOCK,PERFORMANCE)")


def _lock(gpu: NvmlGpu, folder: Path) -> IO[str]:
    file = (folder / f"llmdvfs-clocks-{gpu.uuid()}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise _Refused(f"another run holds the clocks of GPU {gpu.index} ({file.name})") from None
    return file


def _is_divided(gpu: NvmlGpu) -> bool:
    try:
        return gpu.mig_mode() == 1
    except NvmlError as error:
        if error.is_absent:
            return False
        raise


def _apply_all(
    settings: Sequence[GpuSetting], originals_w: Mapping[int, float], gpus: Mapping[int, NvmlGpu]
) -> str | None:
    """Set all of it, or nothing: return why this process may not, None where it is done. Other failures are errors."""
    touched: list[GpuSetting] = []
    try:
        for setting in settings:
            touched.append(setting)
            apply(setting, gpus[setting.index])
    except (NvmlError, ClockControlError) as error:
        is_denied = isinstance(error, NvmlError) and error.is_denied
        _undo_all(touched, originals_w, gpus, ignore_denials=is_denied)
        if is_denied:
            return f"{error}; it needs root or CAP_SYS_ADMIN"
        raise ClockControlError(f"operating point {settings} could not be set: {error}") from error
    return None


def _undo_all(
    settings: Sequence[GpuSetting],
    originals_w: Mapping[int, float],
    gpus: Mapping[int, NvmlGpu],
    *,
    ignore_denials: bool = False,
) -> None:
    failures = []
    for setting in settings:
        try:
            undo(setting, originals_w[setting.index], gpus[setting.index])
        except (NvmlError, ClockControlError) as error:
            # What this process may not undo, it could not do.
            if not (ignore_denials and isinstance(error, NvmlError) and error.is_denied):
                failures.append(f"GPU {setting.index}: {error}")
    if failures:
        raise ClockControlError(
            f"could not be brought back: {'; '.join(failures)}; reset by hand: nvidia-smi -rgc, -rmc, -pl <default>"
        )


def _start_watchdog(
    settings: Sequence[GpuSetting], originals_w: Mapping[int, float], locked_files: Sequence[IO[str]]
) -> subprocess.Popen[bytes]:
    task = json.dumps({"settings": [asdict(setting) for setting in settings], "originals_w": dict(originals_w)})
    package_root = str(Path(llmdvfs.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "llmdvfs.telemetry.clock_watchdog", task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))},
        pass_fds=[file.fileno() for file in locked_files],  # the GPUs stay locked until the watchdog has ended, too
        start_new_session=True,
    )
    if cast(IO[bytes], process.stdout).readline() != b"ready\n":
        process.communicate()
        raise ClockControlError("the watchdog that would undo the clocks did not start; nothing was changed")
    return process
