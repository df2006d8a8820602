"""Log of every change of clocks and limits that this project made on a host.

A line says who made it, when, on which GPU, from what to what, how, and with what result. Each user has a file of his
own beside the locks, which all users can read: nobody writes into another one's. Where that folder is emptied at a
start of the machine, as /tmp is, the log ends with the settings, which do not outlive a start either.
"""

import contextlib
import json
import logging
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from llmdvfs.clock import unix_s
from llmdvfs.errors import MISREAD
from llmdvfs.telemetry.gpu_setting import Step

LOG = logging.getLogger(__name__)
PATTERN = "llmdvfs-clock-changes-*.jsonl"
FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Change:
    """One call of the driver that was to change a setting, whether it was obeyed or refused."""

    unix_s: float
    user: str
    pid: int
    gpu: int
    what: str
    """What was set: `core clock`, `memory clock` or `power limit`."""
    before: str
    after: str
    how: str
    """Who set it: this process through NVML, zeusd, or nvidia-smi run by sudo (records/point.How)."""
    result: str
    """`ok`, or what the driver said."""


class ChangeLog:
    """The log of this user.

    A change that cannot be written down is made all the same: restoring a GPU goes first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / PATTERN.replace("*", str(os.geteuid()))

    def note(self, step: Step, before: str, after: str, error: Exception | None = None) -> None:
        """Append a line about one step, in a single write, so that the lines of several processes do not mix.

        before, after: the setting in words; error: what the driver said, None where it obeyed.
        """
        change = Change(
            round(unix_s(), 3),
            _user_name(os.geteuid()),
            os.getpid(),
            step.gpu_index,
            step.what,
            before,
            after,
            step.how,
            "ok" if error is None else str(error),
        )
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | FLAGS, 0o644)
            try:
                if _is_own(fd, os.geteuid()):
                    os.write(fd, (json.dumps(asdict(change)) + "\n").encode())
            finally:
                os.close(fd)
        except OSError as problem:
            LOG.warning("%s: a change of clocks was not written down: %s", self._path, problem.strerror)

    def changes(self) -> list[Change]:
        """Return the changes that all users have logged, oldest first; a line that was cut short is left out."""
        return sorted((change for path in self.folder.glob(PATTERN) for change in _read(path)), key=_when)


def _when(change: Change) -> float:
    return change.unix_s


def _read(path: Path) -> Iterator[Change]:
    """Yield a file's changes; nothing where it is not of the user whose number it bears."""
    owner = path.stem.rpartition("-")[2]
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | FLAGS)
        with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
            if not owner.isdigit() or not _is_own(fd, int(owner)):
                return
            for line in file:
                with contextlib.suppress(*MISREAD):
                    yield Change(**json.loads(line))


def _is_own(fd: int, user: int) -> bool:
    found = os.fstat(fd)
    return stat.S_ISREG(found.st_mode) and found.st_uid == user


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)  # containers know fewer users than there are
