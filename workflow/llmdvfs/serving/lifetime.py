"""Lets processes end with whoever started them, however that one ends (Linux)."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from llmdvfs.host.child import process_control, set_parent_death_signal

PR_SET_CHILD_SUBREAPER = 36
END_LIMIT_S = 10.0  # a killed process with a GPU context needs seconds to be gone


def become_subreaper_with_parent_death_signal(parent_pid: int | None = None) -> None:
    """Adopt every orphan among the descendants, and receive SIGTERM when the parent dies.

    parent_pid: the parent when this process was started. Where it has died in the meantime the signal would never come,
    so it is sent at once.
    """
    process_control(PR_SET_CHILD_SUBREAPER, 1)
    set_parent_death_signal(signal.SIGTERM, os.getppid() if parent_pid is None else parent_pid)


def descendants(pid: int) -> list[int]:
    """Return the living descendants of a process, children before grandchildren."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = _living_parent(entry)
            if parent is not None:
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    pending = [pid]
    while pending:
        young = children.get(pending.pop(), [])
        found += young
        pending += young
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process runs: it is neither gone nor waiting to be reaped after its end."""
    return _living_parent(Path(f"/proc/{pid}")) is not None


def command_line(pid: int) -> str:
    """Return how a process was started, or the title that it gave itself; empty where it has gone or cannot be seen."""
    import psutil  # not above: a guard starts twice as fast without it, and needs it only at the end

    try:
        return " ".join(psutil.Process(pid).cmdline()).strip()
    except psutil.Error:
        return ""


def _living_parent(entry: Path) -> int | None:
    # Not psutil: one read tells state and parent, and all processes of the host are read many times a second while
    # servers end.
    try:
        # The command's name, in parentheses, may itself contain spaces and parentheses.
        fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None  # it ended while /proc was being read
    return None if fields[0] in "ZX" else int(fields[1])


def await_descendants(limit_s: float) -> None:
    """Wait until every descendant of this process has ended by itself, or the time limit is over."""
    deadline = time.monotonic() + limit_s
    while descendants(os.getpid()) and time.monotonic() < deadline:
        time.sleep(0.02)
        reap()


def end_descendants(limit_s: float = END_LIMIT_S, spare: Callable[[int], bool] = lambda pid: False) -> list[int]:
    """Kill and reap every descendant of this process but the spared; return those that would not end in time.

    Call it in a subreaper: there, orphans come back as children, and repeated looks find what was forked meanwhile.
    """
    deadline = time.monotonic() + limit_s
    while remaining := [pid for pid in descendants(os.getpid()) if not spare(pid)]:
        if time.monotonic() > deadline:
            return remaining
        for pid in remaining:
            _kill(pid)
        reap()
        time.sleep(0.02)
    reap()
    return []


def reap() -> dict[int, int]:
    """Reap every child that has ended; return process id -> exit code (128 + n for signal n)."""
    codes: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return codes
        if pid == 0:
            return codes
        code = os.waitstatus_to_exitcode(status)
        codes[pid] = code if code >= 0 else 128 - code


def how_it_ended(code: int) -> str:
    """Return an exit code in words; -n (a child's) and 128 + n (a guard's) stand for signal n."""
    number = -code if code < 0 else code - 128
    known = number in set(signal.Signals)
    return f"ended by {signal.Signals(number).name}" if known else f"ended with exit code {code}"


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
