"""Starts one server under guard, and tells whether it lives and why it ended."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmdvfs.host.child import library_environment
from llmdvfs.serving.instance.diagnosis import diagnose, last_error_line
from llmdvfs.serving.instance.guard import INNER_LIMIT_S, NUM_LEVELS, TERM_GRACE_S
from llmdvfs.serving.lifetime import command_line, descendants, how_it_ended, is_alive

LOG_TAIL_BYTES = 256 * 1024
STOP_LIMIT_S = TERM_GRACE_S + NUM_LEVELS * INNER_LIMIT_S + 10.0  # beyond what the guards allow themselves
OWN_END_LIMIT_S = 3.0
ENGINE_FAILED = "EngineCore failed to start"


class ServerProcess:
    """One server with its guard and its log.

    It must be started in the main thread: the parent-death signal follows the thread that forked.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        *,
        remove: Sequence[Path] = (),
        lease_fds: Sequence[int] = (),
        waits: bool = False,
    ) -> None:
        """Start it. waits: it is a `waiting_server`, which serves once it is told to."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                f"{name} was started from a thread, and would be ended with it: start it in the main one"
            )
        self.name = name
        self.log = log
        self.started_s = time.monotonic()
        self._family: tuple[int, ...] = ()
        self._vital: tuple[int, ...] = ()
        guard = [sys.executable, "-m", "llmdvfs", "guard", "--log", str(log), "--parent", str(os.getpid())]
        guard += [part for folder in remove for part in ("--remove", str(folder))]
        guard += [part for lease in lease_fds for part in ("--lease-fd", str(lease))]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [*guard, "--", *argv],
                env=library_environment(env),
                stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=tuple(lease_fds),
            )

    def tell(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Have a server that waits go on as `python -m` with these arguments and further variables; it starts now.

        Whether it does is seen as with any server: it may have ended while it waited.
        """
        assert self._guard.stdin is not None
        order = json.dumps({"argv": list(argv), "env": dict(env)})
        with contextlib.suppress(BrokenPipeError), self._guard.stdin as told:
            told.write(f"{order}\n".encode())
        self.started_s = time.monotonic()

    @property
    def guard_pid(self) -> int:
        """Return the process id of the outer guard."""
        return self._guard.pid

    def server_pid(self) -> int | None:
        """Return the process id of the server itself; None: it is not started yet, or has gone."""
        family = descendants(self._guard.pid)  # inner guards, then the server, then what it started
        return family[NUM_LEVELS - 1] if len(family) >= NUM_LEVELS else None

    def exit_code(self) -> int | None:
        """Return the server's exit code; None while it runs."""
        return self._guard.poll()

    def note_family(self) -> None:
        """Remember the processes of a server that is ready, so that `is_dead` notices when one of them has gone."""
        self._family = tuple(descendants(self._guard.pid))
        server = self._family[NUM_LEVELS - 1 : NUM_LEVELS]
        self._vital = (*server, *(pid for pid in self._family if is_engine(pid)))

    def is_dead(self) -> bool:
        """Return whether the server, its engine or its guard has ended; it costs microseconds.

        A server whose engine was killed, or failed to start, can go on for ever without it.
        """
        return self._guard.poll() is not None or any(not is_alive(pid) for pid in self._vital)

    def engine_failed_to_start(self) -> bool:
        """Return whether the log says that the engine failed to start."""
        return ENGINE_FAILED in self.log_tail()

    def cause_of_death(self) -> str:
        """Return why the server ended, as far as its log says, and where the log is.

        Where its engine ended first, the server's own end is awaited for a moment, since that tells more.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(OWN_END_LIMIT_S)
        text = self.log_tail()
        known = diagnose(text)
        seen = str(known) if known else f"last said: {last_error_line(text) or 'nothing'}"
        return f"{self._how_it_ended()}; {seen}; see {self.log}"

    def _how_it_ended(self) -> str:
        code = self._guard.poll()
        if code is None:
            return "its engine ended, and left the server without it"
        if code < 0:
            return f"its guard was {how_it_ended(code)}, and it with that"
        return how_it_ended(code)

    def log_tail(self) -> str:
        """Return the last part of the log as text."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")

    def terminate(self) -> None:
        """Ask the server to end; `wait_ended` waits for that."""
        if self._guard.poll() is None:
            self._guard.terminate()

    def wait_ended(self, limit_s: float = STOP_LIMIT_S) -> bool:
        """Wait until the server and all that it started have ended; False: the guard had to be killed."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()  # it was never told to serve
        deadline = time.monotonic() + limit_s
        try:
            self._guard.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # the inner guard goes on and ends the rest
            self._guard.wait()
            return False
        # Where the outer guard was killed, the inner one is still at work, and holds the leases of the GPUs.
        while any(is_alive(pid) for pid in self._family) and time.monotonic() < deadline:
            time.sleep(0.02)
        return True


def is_engine(pid: int) -> bool:
    """Return whether a process belongs to a vLLM engine, by the title that it gives itself or how it was spawned."""
    command = command_line(pid)
    return "VLLM::" in command or "multiprocessing.spawn" in command
