"""Keeps this process from disturbing its own time stamps while a load runs."""

import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from llmdvfs.records.load import Priority

NICE = -10  # without real-time scheduling: before servers on the same cores
LARGEST_BYTES = 512  # largest object of CPython's own allocator; smaller ones use the same pages
ARENA_BYTES = 1 << 20  # the allocator takes memory in arenas, and returns one that is empty
RESERVED_BYTES = 20_000_000  # about what the reads take that are held before they are written (spool.MAX_HELD_READS)


@contextmanager
def undisturbed() -> Iterator[Priority]:
    """Pause garbage collection for a block, and run before other processes as far as the system allows it.

    Yields how the kernel schedules this process now.
    """
    reserve = _touched_memory(RESERVED_BYTES)
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection stops the loop for milliseconds; reference counting frees all that matters
    scheduler, parameters, nice = os.sched_getscheduler(0), os.sched_getparam(0), os.getpriority(os.PRIO_PROCESS, 0)
    priority = _ask_for_priority(nice)
    try:
        yield priority
    finally:
        if priority == "real_time":
            os.sched_setscheduler(0, scheduler, parameters)
        elif priority == "raised":
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        gc.enable()
        gc.unfreeze()
        del reserve


def _touched_memory(num_bytes: int) -> list[bytes]:
    """Take so much memory, and give nearly all of it back to this process's allocator; what is returned keeps it there.

    The first write to a page costs microseconds, more in a virtual machine, and would come between two stamps.
    """
    size = LARGEST_BYTES - sys.getsizeof(b"")
    objects = [bytes(size) for _ in range(num_bytes // LARGEST_BYTES)]
    return objects[:: ARENA_BYTES // LARGEST_BYTES * 9 // 10]  # at least one in each arena, so that none is empty


def _ask_for_priority(nice: int) -> Priority:
    """Take the best that is granted: real time, a better nice value, or what there was.

    A reader that waits for a slice of a busy core stamps 3 to 6 ms late. It only ever has work after the server wrote
    something, so it cannot starve the server; the kernel leaves others 5 % of a core in any case. On a core that it
    shares with the server real time costs a turn a token, and nothing on one of its own
    (docs/client.md#what-real-time-priority-costs).
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
        return "real_time"
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(NICE, nice))
        return "raised"
    return "normal"


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one, since every connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
