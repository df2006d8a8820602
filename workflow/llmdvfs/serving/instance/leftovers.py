"""Servers whose job and guards were all killed in the same instant: nobody is left to end them but the next run."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from llmdvfs.serving.lifetime import is_alive

KEEPERS = "LLMDVFS_KEEPERS"
"""Variable in the environment of a server and of all that it starts: who will end it (`keepers_mark`)."""
END_LIMIT_S = 10.0


def keepers_mark(pids: list[int]) -> str:
    """Return what tells these processes apart from all others, also from later ones with the same numbers."""
    return " ".join([_namespace("self") or "?", *(f"{pid}:{_start_ticks(pid)}" for pid in pids)])


def end_leftovers(say: Callable[[str], None]) -> None:
    """Kill every process of this user whose keepers are all dead, and wait until it has gone."""
    killed = list(_leftovers())
    for pid in killed:
        say(f"ending process {pid} ({_command(pid)}): the run that had started it was killed, guards and all")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_LIMIT_S
    while any(is_alive(pid) for pid in killed) and time.monotonic() < deadline:
        time.sleep(0.02)


def _leftovers() -> Iterator[int]:
    own_namespace = _namespace("self")
    prefix = f"{KEEPERS}=".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not is_alive(int(entry.name)):
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # somebody else's, or gone
        for variable in variables:
            namespace, *keepers = variable.removeprefix(prefix).decode(errors="replace").split(" ")
            # In another namespace (a container's) the numbers mean other processes.
            is_ours = variable.startswith(prefix) and namespace == own_namespace == _namespace(entry.name)
            if is_ours and not any(_is_keeper_alive(keeper) for keeper in keepers):
                yield int(entry.name)


def _is_keeper_alive(keeper: str) -> bool:
    pid, _, ticks = keeper.partition(":")
    return is_alive(int(pid)) and str(_start_ticks(int(pid))) == ticks


def _namespace(pid: str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def _start_ticks(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[19])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80].strip()
    except OSError:
        return "gone"
