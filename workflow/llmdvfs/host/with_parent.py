"""Runs a command, and interrupts it with all its jobs once the process that asked for it has died.

A parent-death signal reaches one process. Snakemake, interrupted alone, waits for the jobs that run, so that a
measurement would go on for hours after whoever asked for it was killed. A terminal's Ctrl-C reaches the whole process
group; so does this, as far as the group's processes descend from the command.

    python -m llmdvfs.host.with_parent PID COMMAND ...
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import psutil

from llmdvfs.host.child import set_parent_death_signal

POLL_S = 0.2


def main() -> int:
    """Run the command until it ends, and return its exit code, 128 + n where signal n ended it."""
    parent_pid, argv = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGINT, lambda number, frame: None)  # the terminal's reaches the command by itself
    # Where this is killed too, nobody knows the jobs any more: the command alone is interrupted.
    child = subprocess.Popen(argv, preexec_fn=partial(set_parent_death_signal, signal.SIGINT, os.getpid()))
    interrupted: set[int] = set()
    while True:
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(POLL_S)
            return code if code >= 0 else 128 - code
        if os.getppid() != parent_pid:
            for pid in _group_of(child.pid):
                if pid not in interrupted:
                    interrupted.add(pid)
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGINT)


def _group_of(pid: int) -> Iterator[int]:
    """Yield a process, and those below it that a terminal would interrupt with it; servers have sessions of their own.

    The process comes first: it starts nothing more once it is interrupted.
    """
    yield pid
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(ProcessLookupError):
                if os.getpgid(process.pid) == os.getpgrp():
                    yield process.pid


if __name__ == "__main__":
    sys.exit(main())
