"""One run of the workflow or of a job, and every process that it ever started."""

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

MARK = "FAULT_RUN"
POLL_S = 0.02
SERVER_MODULE = "vllm.entrypoints.openai.api_server"

Argv = list[str]


def _command(name: str) -> Callable[[Argv], bool]:
    return lambda argv: argv[1:4] == ["-m", "llmdvfs", name]


def _is_guard_of(server: str) -> Callable[[Argv], bool]:
    return lambda argv: _command("guard")(argv) and any(word.endswith(f"/{server}.log") for word in argv[:8])


VICTIMS: dict[str, Callable[[Argv], bool]] = {
    "benchmark job": _command("benchmark"),
    "guard": _is_guard_of("single-0"),
    "API server": lambda argv: SERVER_MODULE in argv[2:5],
    "engine": lambda argv: argv[0].startswith("VLLM::EngineCore"),
    "proxy": _command("proxy"),
    "sampler": lambda argv: argv[1:3] == ["-m", "llmdvfs.telemetry.sampler_process"],
    "load generator": _command("load"),
    "mock server": _command("mock-server"),
    "clock watchdog": lambda argv: argv[1:3] == ["-m", "llmdvfs.telemetry.clock_watchdog"],
}
"""Who it is -> what its command line looks like; of several the one nearest to the job is meant."""


class Run:
    """A process group of its own; its processes are known by a variable that they all inherit."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, name: value},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def find(self, victim: str) -> int | None:
        """Return the process, if it runs: Snakemake is the run itself, all others are below it."""
        if victim == "snakemake":
            return self.process.pid
        generation = [self.process.pid]
        while generation:
            for pid in generation:
                argv = _argv(pid)
                if len(argv) > 1 and VICTIMS[victim](argv):
                    return pid
            generation = [child for pid in generation for child in _children(pid)]
        return None

    def wait_for(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Return whether it became true in time."""
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def meets(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Return whether it became true while the run went on."""
        self.wait_for(lambda: condition() or self.process.poll() is not None, limit_s)
        return condition()

    def wait(self, limit_s: float) -> int:
        """Return the exit code, -n for signal n."""
        return self.process.wait(limit_s)

    def living(self) -> dict[int, str]:
        """Return everything that this run started and that still runs: re-parenting hides nothing."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._mark.encode() in _read(entry / "environ").split(b"\0"):
                found[int(entry.name)] = " ".join(_argv(int(entry.name)))
        return found

    def listening_ports(self) -> set[int]:
        own = self.living()
        return {
            connection.laddr.port
            for connection in psutil.net_connections("tcp")
            if connection.pid in own and connection.status == psutil.CONN_LISTEN
        }

    def close(self) -> None:
        for pid in self.living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _children(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it ended just now
        return []
    return [int(child) for thread in threads for child in _read(thread / "children").split()]


def _argv(pid: int) -> Argv:
    return _read(Path(f"/proc/{pid}/cmdline")).decode(errors="replace").split("\0")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
