"""Every change of clocks and limits that this project made on a host: who, when, from what, to what, how, its result.

A file a user lies beside the locks, where all users can read it: nobody writes into another one's. Like the settings
themselves it does not outlive a start of the machine where that folder is emptied then, as /tmp is.
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
    """One call of the driver, made or refused."""

    unix_s: float
    user: str
    pid: int
    gpu: int
    what: str
    before: str
    after: str
    how: str
    result: str
    """`ok`, or what the driver said."""


class ChangeLog:
    """The file of this user. A change that cannot be written down is made all the same: restoring goes first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / PATTERN.replace("*", str(os.geteuid()))

    def note(self, step: Step, before: str, after: str, error: Exception | None = None) -> None:
        """Add a line; one write, so that the lines of several processes do not mix."""
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
        """Return the changes of all users, oldest first; a line that was cut short is left out."""
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
