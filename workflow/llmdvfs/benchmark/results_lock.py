"""Lets only one process write into a results folder, from whatever checkout, container or host."""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.errors import ConfigError, DiskError, LockError
from llmdvfs.host.lock import holder_of, take_lock

LOG = logging.getLogger(__name__)
NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


@contextmanager
def results_lock(results: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a results folder for a block; the kernel frees it however this process ends.

    wait: wait for another run that holds it; else ConfigError says who does. On a network file system without locks
    that is said, and the block runs without: the lock of the host is held beside it.
    """
    path = results / "measuring.lock"
    results.mkdir(parents=True, exist_ok=True)
    try:
        handle = _take(path)
        if handle is None and not wait:
            raise ConfigError(f"{results}: a run measures into it ({holder_of(path)}); wait for its end, or end it")
        if handle is None:
            LOG.info("waiting: another run measures into %s (%s)", results, holder_of(path))
            handle = _take(path, wait=True)
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise
        LOG.warning("%s: its file system has no locks: let no other host measure into it", results)
        handle = None
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _take(path: Path, *, wait: bool = False) -> int | None:
    try:
        return take_lock(path, wait=wait)
    except LockError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and (told := DiskError.of(cause)) is not None:
            raise told from error  # nothing can be written into these results at all
        raise
