"""Keeps this process from disturbing its own time stamps while a load runs."""

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NICE = -10  # above servers that share the cores; enough to be woken at once, not enough to starve anybody


@contextmanager
def undisturbed() -> Iterator[None]:
    """Pause garbage collection and, where the system allows it, raise this process's priority."""
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection stops the loop for milliseconds; reference counting frees all that matters
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):  # only root may: others measure at the priority that they have
        os.setpriority(os.PRIO_PROCESS, 0, min(NICE, before))
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
        gc.enable()
        gc.unfreeze()


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: a connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
