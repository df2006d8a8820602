"""Lock files that the runs of all users of a host share: the one for measuring, leases of GPUs, held clocks.

They lie in /tmp and not in TMPDIR, which schedulers and users point to folders of their own: two runs that do not see
the same file do not exclude each other. /tmp is there on every Linux, every user may write to it, and nobody may remove
a file of somebody else. Containers that share GPUs but not /tmp name a folder that they do share in
LLMDVFS_LOCK_FOLDER.

A shared folder may hold anything under a lock's name. So links are not followed, pipes do not block, and nothing is
written before the lock is held.
"""

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from llmdvfs.errors import LockError

LOCK_FOLDER_VARIABLE = "LLMDVFS_LOCK_FOLDER"
DEFAULT_LOCK_FOLDER = Path("/tmp")
FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MAX_HOLDER_BYTES = 20


def lock_folder() -> Path:
    """Return the folder that all runs on this host have in common; LockError where it cannot be used."""
    folder = Path(os.environ.get(LOCK_FOLDER_VARIABLE) or DEFAULT_LOCK_FOLDER)
    if not folder.is_dir():
        raise LockError(
            f"the folder of locks {folder} is not there; expected one that all runs on this host share: make it, or "
            f"name another one in {LOCK_FOLDER_VARIABLE}"
        )
    return folder


def open_lock(path: Path) -> int:
    """Return a descriptor of a lock file, which is made if need be; LockError where it cannot serve as one.

    Another user's file that may only be read serves as well: flock(2) asks for no right to write.
    """
    try:
        fd = _open_or_make(path)
    except OSError as error:
        raise LockError(_refusal(path, error.strerror or str(error))) from error
    problem = _problem(os.fstat(fd))
    if problem is not None:
        os.close(fd)
        raise LockError(_refusal(path, problem))
    return fd


def take_opened_lock(fd: int) -> bool:
    """Take a lock by a descriptor of `open_lock`, which processes may have inherited already; False: another has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _say_holder(fd)
    return True


def give_up_lock(fd: int) -> None:
    """Close a descriptor, and free its lock whoever else has inherited it."""
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def take_lock(path: Path, *, wait: bool = False) -> int | None:
    """Take a lock and return the descriptor that holds it until it is closed in every process that inherits it.

    Return None where somebody else holds it, unless `wait` is set. The process id is written into the file, where that
    is permitted.
    """
    while True:
        fd = open_lock(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        if os.fstat(fd).st_nlink:
            break
        os.close(fd)  # it was removed meanwhile, as cleaners of /tmp do: others lock the file that takes its place
    _say_holder(fd)
    return fd


def share_lock(path: Path, *, wait: bool = False) -> int | None:
    """Take a lock together with others who share it, and return its descriptor.

    Return None where somebody has it alone, unless `wait` is set. It keeps `take_lock` out until it is closed or this
    process ends; children that are executed do not inherit it.
    """
    fd = open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd


def holder_of(path: Path) -> str:
    """Return in words who holds a lock that could not be had."""
    try:
        fd = open_lock(path)
    except LockError:
        return "another run"
    try:
        number = os.pread(fd, MAX_HOLDER_BYTES, 0).decode(errors="replace").strip()
    finally:
        os.close(fd)
    return f"process {number}" if number.isdigit() else "another run"


def _say_holder(fd: int) -> None:
    with contextlib.suppress(OSError):  # read-only file or full disk: the lock holds without the number
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)


def _open_or_make(path: Path) -> int:
    try:
        return _open(path)
    except FileNotFoundError:
        pass
    try:
        # O_EXCL: what somebody else puts there meanwhile is opened with the same care as what was there before.
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | FLAGS, 0o666)
    except FileExistsError:
        return _open(path)
    with contextlib.suppress(PermissionError):
        os.fchmod(fd, 0o666)  # whatever the umask: other users lock it too
    return fd


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | FLAGS)
    except PermissionError:
        return os.open(path, os.O_RDONLY | FLAGS)


def _problem(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    if found.st_nlink > 1:
        return f"it has {found.st_nlink} names (hard links)"
    return None


def _refusal(path: Path, problem: str) -> str:
    return (
        f"{path} cannot be used as a lock: {problem}; expected a regular file that this user may read, or none. "
        f"Look who put it there and remove it, or name another folder in {LOCK_FOLDER_VARIABLE}"
    )
