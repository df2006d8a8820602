"""Lets only one measurement run on a host at a time: another one beside it would make both wrong.

What takes CPU time and is none, the imports of the servers of the next launch, is waited for before a load begins, and
does not begin beside one.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.errors import LockError
from llmdvfs.host.lock import holder_of, lock_folder, share_lock, take_lock

LOG = logging.getLogger(__name__)


def measuring_lock() -> Path:
    """Return the path of the lock that whoever measures on this host has to hold."""
    return lock_folder() / "llmdvfs-measuring.lock"


@contextmanager
def host_lock(
    path: Path | None = None, *, shared: bool = False, meanwhile: Callable[[], object] | None = None
) -> Iterator[None]:
    """Wait for the host's lock and hold it for a block; the kernel frees it however this process ends.

    shared: together with other launches that are measured side by side, and with nobody who measures alone. meanwhile:
    called once where somebody else has the lock, before it is waited for.
    """
    path, take = path or measuring_lock(), share_lock if shared else take_lock
    handle = take(path)
    if handle is None:
        LOG.info("waiting: another measurement runs on this host (%s)", holder_of(path))
        if meanwhile is not None:
            meanwhile()
        handle = take(path, wait=True)
    with _held(handle):
        yield


@contextmanager
def preparing() -> Iterator[None]:
    """Have loads on this host wait for a block that takes CPU time; LockError where one is measured already."""
    handle = take_lock(_preparing_lock())
    if handle is None:
        raise LockError("a load is measured on this host, or the servers of another launch import")
    with _held(handle):
        yield


@contextmanager
def calibrating() -> Iterator[None]:
    """Wait until no other launch of this host calibrates the client, and be the one that does, for a block."""
    handle = take_lock(lock_folder() / "llmdvfs-calibrating.lock", wait=True)
    with _held(handle):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Wait until nobody on this host is `preparing`, and keep it so for a block in which loads are measured."""
    if (handle := share_lock(_preparing_lock())) is None:
        LOG.info("waiting: the servers of another launch still import (%s)", holder_of(_preparing_lock()))
        handle = share_lock(_preparing_lock(), wait=True)
    with _held(handle):
        yield


@contextmanager
def _held(handle: int | None) -> Iterator[None]:
    """Hold a lock for a block; None: there is none to hold."""
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _preparing_lock() -> Path:
    return lock_folder() / "llmdvfs-preparing.lock"
