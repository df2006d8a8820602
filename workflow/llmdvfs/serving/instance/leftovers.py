"""Ends servers whose job and guards were all killed in the same instant: nobody else is left to do it."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from llmdvfs.serving.lifetime import command_line, is_alive

KEEPERS = "LLMDVFS_KEEPERS"
"""Variable in the environment of a server and of all that it starts: who will end it (`keepers_mark`)."""
END_LIMIT_S = 10.0


def keepers_mark(pids: list[int]) -> str:
    """Return a text that identifies these processes, and no later ones that get the same numbers."""
    return " ".join([_namespace("self") or "?", *(f"{pid}:{_start_ticks(pid)}" for pid in pids)])


def end_leftovers(say: Callable[[str], None]) -> None:
    """Kill every process of this user whose keepers are all dead, and wait until it has gone."""
    killed = list(_leftovers())
    for pid in killed:
        command = command_line(pid)[:80] or "gone"
        say(f"ending process {pid} ({command}): the run that had started it was killed, guards and all")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_LIMIT_S
    while any(is_alive(pid) for pid in killed) and time.monotonic() < deadline:
        time.sleep(0.02)


def _leftovers() -> Iterator[int]:
    import psutil  # not above: guards import this file for the rest of it

    own_namespace = _namespace("self")
    for pid in filter(is_alive, psutil.pids()):
        try:
            process = psutil.Process(pid)
            mark = process.environ().get(KEEPERS) if process.uids().real == os.getuid() else None
        except psutil.Error:
            continue  # somebody else's, or gone
        if mark is None:
            continue
        namespace, *keepers = mark.split(" ")
        # In another namespace (a container's) the numbers mean other processes.
        is_ours = namespace == own_namespace == _namespace(str(pid)) and bool(keepers)
        if is_ours and not any(_is_keeper_alive(keeper) for keeper in keepers):
            yield pid


def _is_keeper_alive(keeper: str) -> bool:
    """Return whether a process of the mark is still the same; one that no number names was not written here, and is."""
    pid, _, ticks = keeper.partition(":")
    return not pid.isdecimal() or (is_alive(int(pid)) and str(_start_ticks(int(pid))) == ticks)


def _namespace(pid: str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def _start_ticks(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since the boot; psutil's time may move with the wall clock."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19])
