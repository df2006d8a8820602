"""Starts and stops the sampler, a process of its own that writes the telemetry file."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from llmdvfs.errors import ConfigError, TelemetryError
from llmdvfs.host.child import library_environment
from llmdvfs.records.store import read_record
from llmdvfs.records.telemetry import SamplerReport
from llmdvfs.telemetry.device import Cadence
from llmdvfs.telemetry.sampler_process import report_path

MIN_INTERVAL_S = 0.001  # sensors update every 20 to 100 ms; below this only the load on the driver grows
STOP_TIMEOUT_S = 5.0  # it has at most one read to finish
MAX_CAUSE_CHARS = 2000


class SamplerHandle:
    """A running sampler; as a context manager it is stopped at the block's end."""

    def __init__(self, path: Path, command: Sequence[str]) -> None:
        self.path = path
        self._log = path.with_suffix(".log")
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=library_environment(),
                start_new_session=True,  # Ctrl-C in a terminal is for its parent, which then stops it
            )
        self._stdout = cast(IO[bytes], self._process.stdout)

    @property
    def pid(self) -> int:
        """Return the sampler's process id."""
        return self._process.pid

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Return once the devices are found and sampling begins; TelemetryError with the cause if it does not."""
        waiting = select.poll()  # not select(): a busy client may hold more than 1024 files
        waiting.register(self._stdout, select.POLLIN)
        readable = waiting.poll(timeout_s * 1000)
        if readable and self._stdout.readline() == b"ready\n":
            return
        if readable:
            self._process.wait()
            raise TelemetryError(f"the telemetry sampler did not start: {self._cause()}")
        self._kill()
        raise TelemetryError(f"the telemetry sampler was not ready after {timeout_s:g} s: {self._cause()}")

    def poll(self) -> str | None:
        """Return why the sampler has ended; None while it runs."""
        if self._process.poll() is None:
            return None
        return self._cause()

    def stop(self) -> SamplerReport:
        """End the sampler and return its report, whose `error` says so if it had ended before; may be called twice.

        TelemetryError where it left no report: it was killed. What it had sampled is in the file all the same.
        """
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._kill()
        self._stdout.close()
        if self._log.exists() and not self._log.stat().st_size:
            self._log.unlink()
        if not report_path(self.path).exists():
            raise TelemetryError(f"the telemetry sampler left no report: {self._cause()}; {self.path.name} is kept")
        return read_record(report_path(self.path), SamplerReport)

    def __enter__(self) -> "SamplerHandle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except TelemetryError:
            if error is None:  # an error of the block itself goes before one of stopping
                raise

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _cause(self) -> str:
        text = self._log.read_text(errors="replace").strip()[-MAX_CAUSE_CHARS:] if self._log.exists() else ""
        code = self._process.returncode
        ended = f"ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        return text or f"{ended}, without a message"


def start_sampler(
    path: Path,
    *,
    interval_s: float = 0.1,
    counter_interval_s: float = 0.02,
    gpu_indices: Sequence[int] | None = None,
    needed_gpus: Sequence[int] | None = None,
    exporters: Sequence[str] = (),
    replay: Path | None = None,
    without: Collection[Cadence] = (),
) -> SamplerHandle:
    """Start sampling into `path`, a new file; call wait_ready() before anything is to be measured.

    gpu_indices: NVML's; None: all GPUs, if there is a driver; empty: no GPU. The CPU, and RAPL where it can be read,
    are always sampled. The energy counters are polled on their own every `counter_interval_s`: five polls a step of
    theirs place its instant within 20 ms. needed_gpus: those whose loss ends sampling; None: every GPU; a lost GPU that
    is not among them is left out from then on and stands in the report. exporters: addresses of dcgm-exporters of other
    hosts, with `NAME=` before one whose host is called so; they are scraped once a second. replay: play this recorded
    file in place of the devices. without: streams to leave out, to find out what they cost.
    """
    if min(interval_s, counter_interval_s) < MIN_INTERVAL_S:
        raise ConfigError(
            f"sampling every {interval_s:g} s and polling the energy counter every {counter_interval_s:g} s: "
            f"each must be at least {MIN_INTERVAL_S:g} s"
        )
    command = [sys.executable, "-m", "llmdvfs.telemetry.sampler_process", "--path", str(path)]
    command += ["--interval", repr(interval_s), "--counter-interval", repr(counter_interval_s)]
    command += ["--parent", str(os.getpid())]
    if gpu_indices is not None:
        command += ["--gpus", ",".join(map(str, gpu_indices))]
    if needed_gpus is not None:
        command += ["--needed", ",".join(map(str, needed_gpus))]
    command += [word for url in exporters for word in ("--exporter", url)]
    if without:
        command += ["--without", ",".join(without)]
    if replay is not None:
        command += ["--replay", str(replay)]
    return SamplerHandle(path, command)
