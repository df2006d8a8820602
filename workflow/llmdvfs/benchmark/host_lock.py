"""Lets only one measurement run on a host at a time: another one beside it would make both wrong."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.host.lock import holder_of, lock_folder, take_lock

LOG = logging.getLogger(__name__)


def measuring_lock() -> Path:
    """Return the path of the lock that whoever measures on this host has to hold."""
    return lock_folder() / "llmdvfs-measuring.lock"


@contextmanager
def host_lock(path: Path | None = None) -> Iterator[None]:
    """Wait for the host's lock and hold it for a block; the kernel frees it however this process ends."""
    path = path or measuring_lock()
    handle = take_lock(path)
    if handle is None:
        LOG.info("waiting: another measurement runs on this host (%s)", holder_of(path))
        handle = take_lock(path, wait=True)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)
