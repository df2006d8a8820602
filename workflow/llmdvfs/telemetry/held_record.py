"""What this project has set on a GPU, written down beside the GPU's clock lock before the first change.

It is removed after a verified restore. Where it is found under a lock that nobody holds, the run that wrote it was
killed together with its watchdog, and the GPU still runs as that run had set it.
"""

import contextlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from llmdvfs.errors import MISREAD, ClockControlError, LockError
from llmdvfs.records.point import GpuSetting, How

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """What was to be set on one GPU, and the power limit that it had before."""

    setting: GpuSetting
    original_limit_w: float
    boot_id: str
    """Start of the machine in which it was written: no setting of a GPU outlives a start."""
    how: How = "nvml"
    """In which way it was to be set."""


def lock_path(uuid: str, folder: Path) -> Path:
    """Return the path of the lock that whoever sets a GPU's clocks has to hold."""
    return folder / f"llmdvfs-clocks-{uuid}.lock"


def record_path(uuid: str, folder: Path) -> Path:
    """Return the path of the record that lies beside that lock."""
    return folder / f"llmdvfs-clocks-{uuid}.json"


def boot_id() -> str:
    """Return what identifies this start of the machine; empty where the kernel does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def write_held(path: Path, setting: GpuSetting, original_limit_w: float, how: How) -> None:
    """Write the record, whole or not at all.

    LockError where it cannot be written: then nothing may be changed on the GPU.
    """
    draft = path.with_suffix(f".{os.getpid()}")
    text = json.dumps(asdict(HeldRecord(setting, original_limit_w, boot_id(), how)))
    try:
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "w") as file:
            file.write(text)
        draft.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise LockError(
            f"{path} cannot be written: {error.strerror}; without it nobody would find the GPU's clocks after a crash, "
            "so nothing was changed: make room, or remove what is there"
        ) from error


def read_held(path: Path) -> HeldRecord | None:
    """Return the record that a run left, None where there is none.

    ClockControlError where it is damaged, or was written by a user whose word this process cannot take: it may have
    been put there to have somebody else's GPU changed.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ClockControlError(_distrust(path, f"it cannot be read: {error.strerror}")) from error
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ClockControlError(_distrust(path, "it is not a regular file"))
        if found.st_uid not in (os.geteuid(), 0):
            raise ClockControlError(_distrust(path, f"it belongs to user {found.st_uid}"))
        text = file.read()
    try:
        told = json.loads(text)
        how = told.get("how", "nvml")
        if how not in get_args(How):
            raise ValueError(f"how: {how!r}")
        return HeldRecord(GpuSetting(**told["setting"]), float(told["original_limit_w"]), str(told["boot_id"]), how)
    except MISREAD as error:
        raise ClockControlError(_distrust(path, f"it is damaged: {error}")) from error


def _distrust(path: Path, problem: str) -> str:
    return (
        f"{path} says that an earlier run left the clocks of this GPU set, but {problem}; look at "
        "`nvidia-smi -q -d CLOCK,POWER`, reset what is held (nvidia-smi -rgc, -rmc, -pl <default>), and remove the file"
    )
