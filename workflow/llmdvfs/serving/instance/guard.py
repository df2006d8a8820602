"""The process between the job and a server: it ends the server and all that it started, however it ends.

There are two of them, one inside the other. Each is a subreaper with a parent-death signal, so whichever of the job,
the outer guard and the inner guard is killed, alone or two at once, one that can end everything is left. Where all
three are, the next run ends what they leave (leftovers.py).
"""

import os
import shutil
import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.host.child import set_parent_death_signal
from llmdvfs.records.api_key import NOT_FOR_SERVERS
from llmdvfs.serving.instance.leftovers import KEEPERS, keepers_mark
from llmdvfs.serving.lifetime import (
    await_descendants,
    become_subreaper_with_parent_death_signal,
    command_line,
    descendants,
    end_descendants,
    reap,
)

TERM_GRACE_S = 5.0  # between SIGTERM and SIGKILL; with what follows, nothing is left after 10 s
SETTLE_S = 0.5  # time for processes that end by themselves with their parent
TRACKER_LIMIT_S = 2.0  # half a second was too short on a busy machine
INNER_LIMIT_S = 3.0  # of an inner guard, beyond the server's grace
NUM_LEVELS = 2
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
EXIT_NOT_STARTED = 127


@dataclass(frozen=True, slots=True)
class Guarded:
    """One command that is to run under guard, with its log, folders and locks."""

    argv: Sequence[str]
    log: Path
    """File that takes the command's standard output and error."""
    remove: tuple[Path, ...] = ()
    """Folders to remove where the process that asked for the guard has died; servers may share them, so otherwise that
    process removes them itself."""
    lease_fds: tuple[int, ...] = ()
    """Inherited locks: held by both guards, not by the command, so they are free when everything has ended."""


def guard(guarded: Guarded, parent_pid: int) -> int:
    """Run a command to its end and return its exit code (128 + n for signal n); nothing it started outlives this.

    parent_pid: the process that asked for the guard. It must be called in a process of its own, with one thread.
    """
    os.setsid()  # a terminal's Ctrl-C reaches the job alone, which then ends its servers in order
    output = os.open(guarded.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for lease in guarded.lease_fds:
        os.set_inheritable(lease, False)  # closed by exec, kept by fork
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # taken by sigtimedwait, here and in the inner guard
    code = _guard_level(guarded.argv, NUM_LEVELS, [parent_pid])
    if os.getppid() != parent_pid:
        for folder in guarded.remove:
            shutil.rmtree(folder, ignore_errors=True)
    return code


def _guard_level(argv: Sequence[str], level: int, keepers: list[int]) -> int:
    become_subreaper_with_parent_death_signal(keepers[-1])
    own_pid = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            if level > 1:
                os._exit(_guard_level(argv, level - 1, [*keepers, own_pid]))
            _become_server(argv, [*keepers, own_pid])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(EXIT_NOT_STARTED)
    grace_s = TERM_GRACE_S + INNER_LIMIT_S * (level - 1)  # the outer one leaves the inner one time to do its work
    code = _wait(child, grace_s)
    if code is not None:
        await_descendants(SETTLE_S)
    # Shared memory stays behind unless Python's resource trackers outlive what they track.
    end_descendants(spare=_is_resource_tracker)
    await_descendants(TRACKER_LIMIT_S)
    survivors = end_descendants()
    if survivors:
        print(f"guard: processes {survivors} did not end when killed; look for them in `ps`", flush=True)
    return 128 + signal.SIGKILL if code is None else code


def _is_resource_tracker(pid: int) -> bool:
    return "multiprocessing.resource_tracker" in command_line(pid)


def _become_server(argv: Sequence[str], keepers: list[int]) -> None:
    set_parent_death_signal(signal.SIGKILL, keepers[-1])
    for secret in NOT_FOR_SERVERS:  # of somebody else's endpoint, and of a host's controller
        os.environ.pop(secret, None)
    os.environ[KEEPERS] = keepers_mark(keepers)
    os.environ["SPT_NOENV"] = "1"  # vLLM's processes give themselves titles, which would be written over that
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        os.execvpe(argv[0], list(argv), os.environ)
    except OSError as error:
        print(f"guard: {argv[0]} cannot be started: {error.strerror}", flush=True)


def _wait(child: int, grace_s: float) -> int | None:
    """Return the child's exit code; a signal to end is handed on, and None returned where it outlasts the grace."""
    wait_s: float | None = None
    while True:
        received = signal.sigtimedwait(SIGNALS, wait_s) if wait_s is not None else signal.sigwaitinfo(SIGNALS)
        codes = reap()  # orphans that came back, and perhaps the child
        if child in codes:
            return codes[child]
        if received is None:
            print(f"guard: still running {grace_s:.0f} s after SIGTERM; killing {descendants(os.getpid())}", flush=True)
            return None
        if received.si_signo != signal.SIGCHLD and wait_s is None:
            os.kill(child, signal.SIGTERM)
            wait_s = grace_s
