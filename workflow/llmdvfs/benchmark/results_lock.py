"""Locks in a results folder, which checkouts, containers and hosts may share.

Whoever measures shares the folder's lock, so that launches of one study are measured on many hosts at once, and holds
the lock of its launch alone, so that nothing is measured twice. Commands that move measurements hold the folder's lock
alone.
"""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from llmdvfs.errors import ConfigError, DiskError, LockError
from llmdvfs.host.lock import holder_of, share_lock, take_lock

LOG = logging.getLogger(__name__)
NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
FOLDER_LOCK = "measuring.lock"
LAUNCH_LOCKS = "locks"


@contextmanager
def results_lock(results: Path) -> Iterator[None]:
    """Hold a results folder alone; the kernel frees it however this process ends.

    Raises ConfigError where a run measures into it, and says who does.
    """
    results.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        if not _hold(held, results, results / FOLDER_LOCK, take_lock, wait=False):
            raise ConfigError(f"{results}: a run measures into it ({_holder(results)}); wait for its end, or end it")
        yield


@contextmanager
def launch_lock(results: Path, launch: str) -> Iterator[None]:
    """Wait for, and hold, the right to measure one launch (`single_tiny.launch-1`) into a results folder.

    A network file system without locks is told, and does without: the lock of the host is held beside it.
    """
    (results / LAUNCH_LOCKS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        _hold(held, results, results / FOLDER_LOCK, share_lock, wait=True)
        _hold(held, results, results / LAUNCH_LOCKS / launch, take_lock, wait=True)
        yield


def _hold(held: ExitStack, results: Path, path: Path, take: Callable[..., int | None], *, wait: bool) -> bool:
    """Take a lock until the stack ends; return whether it was free, or waited for."""
    try:
        handle = _take(take, path)
        if handle is None and not wait:
            return False
        if handle is None:
            LOG.info("waiting: another run measures into %s (%s)", results, holder_of(path))
            handle = _take(take, path, wait=True)
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise
        LOG.warning("%s: its file system has no locks: let no other host measure into it", results)
        return True
    if handle is not None:
        held.callback(os.close, handle)
    return True


def _take(take: Callable[..., int | None], path: Path, *, wait: bool = False) -> int | None:
    try:
        return take(path, wait=wait)
    except LockError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and (told := DiskError.of(cause)) is not None:
            raise told from error  # nothing can be written into these results at all
        raise


def _holder(results: Path) -> str:
    """Return who measures: whoever holds the lock of a launch, else of the folder."""
    for path in sorted((results / LAUNCH_LOCKS).glob("*")):
        handle = take_lock(path)
        if handle is None:
            return f"{holder_of(path)}, {path.name}"
        os.close(handle)
    return holder_of(results / FOLDER_LOCK)
