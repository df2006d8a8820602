"""One measurement at a time on a host: another one beside it would make both wrong."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.serving.instance.gpus import open_lock

LOG = logging.getLogger(__name__)
LOCK = Path(tempfile.gettempdir()) / "llmdvfs-measuring.lock"


@contextmanager
def host_lock(path: Path = LOCK) -> Iterator[None]:
    """Wait for, and hold, the host's lock; the kernel frees it however this process ends."""
    handle = open_lock(path)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode() or "?"
            LOG.info("waiting: another measurement runs on this host (process %s)", holder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
