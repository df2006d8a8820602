"""What fails and when, what is then said, and the exit code: docs/faults.md shows this table."""

import signal
from dataclasses import dataclass

from faults.faults import FAULTS, Fault
from faults.moments import (
    AS_IT_STARTS,
    AS_THE_JOB_STARTS,
    AS_THE_PROXY_STARTS,
    AT_THE_END,
    BEFORE_READY,
    BEFORE_THE_START,
    UNDER_LOAD,
    WHILE_STOPPING,
    Moment,
)

KILLED, HUNG_UP = -signal.SIGKILL, -signal.SIGHUP
UNLOCKED = "removed the lock of a Snakemake that was killed"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    when: Moment
    says: str | None
    """Part of what is shown, by this run or the next; None: whoever could say something was killed."""
    code: int
    """Of the run; 0: the cell was tried again with fresh servers, and all is measured."""

    @property
    def id(self) -> str:
        return f"{self.what}, {self.when.name}"

    @property
    def fault(self) -> Fault:
        return FAULTS[self.what]


ROWS = [
    Row("SIGKILL of snakemake", AS_THE_JOB_STARTS, UNLOCKED, KILLED),
    Row("SIGKILL of snakemake", BEFORE_READY, UNLOCKED, KILLED),
    Row("SIGKILL of snakemake", UNDER_LOAD, UNLOCKED, KILLED),
    Row("SIGKILL of snakemake", AT_THE_END, UNLOCKED, KILLED),
    Row("SIGKILL of the benchmark job", BEFORE_READY, None, KILLED),
    Row("SIGKILL of the benchmark job", UNDER_LOAD, None, KILLED),
    Row("SIGKILL of the benchmark job", AT_THE_END, None, KILLED),
    Row("SIGKILL of the benchmark job", WHILE_STOPPING, None, KILLED),
    Row("SIGKILL of the guard", BEFORE_READY, "single-0 did not start: its guard was ended by SIGKILL", 1),
    Row("SIGKILL of the guard", UNDER_LOAD, "single-0 died under load: its guard was ended by SIGKILL", 0),
    Row("SIGKILL of the guard", AT_THE_END, "single-0 died after the load: its guard was ended by SIGKILL", 0),
    Row("SIGKILL of job and guard", BEFORE_READY, None, KILLED),
    Row("SIGKILL of job and guard", UNDER_LOAD, None, KILLED),
    Row("SIGKILL of job and guard", AT_THE_END, None, KILLED),
    Row("SIGKILL of the API server", BEFORE_READY, "single-0 did not start: ended by SIGKILL", 1),
    Row("SIGKILL of the API server", UNDER_LOAD, "single-0 died under load: ended by SIGKILL", 0),
    Row("SIGKILL of the API server", AT_THE_END, "single-0 died after the load: ended by SIGKILL", 0),
    Row("SIGKILL of a server behind a proxy", AS_THE_PROXY_STARTS, ": ended by SIGKILL", 1),
    Row("SIGKILL of the engine", BEFORE_READY, "RuntimeError: Engine core initialization failed", 1),
    Row("SIGKILL of the engine", UNDER_LOAD, "single-0 died under load: ended with exit code 1", 0),
    Row("SIGKILL of the engine", AT_THE_END, "single-0 died after the load: ended with exit code 1", 0),
    Row("SIGKILL of the proxy", AS_IT_STARTS, "proxy did not start: ended by SIGKILL", 1),
    Row("SIGKILL of the proxy", UNDER_LOAD, "proxy died under load: ended by SIGKILL", 0),
    Row("SIGKILL of the proxy", AT_THE_END, "proxy died after the load: ended by SIGKILL", 0),
    Row("SIGKILL of the sampler", AS_IT_STARTS, "the telemetry sampler did not start: ended by SIGKILL", 1),
    Row("SIGKILL of the sampler", UNDER_LOAD, "the telemetry sampler died under load: ended by SIGKILL", 1),
    Row("SIGKILL of the sampler", AT_THE_END, "the telemetry sampler died after the load: ended by SIGKILL", 1),
    Row("SIGKILL of the load generator", AS_IT_STARTS, "the load generator ended by SIGKILL", 1),
    Row("SIGKILL of the load generator", UNDER_LOAD, "the load generator ended by SIGKILL", 1),
    Row("SIGKILL of the clock watchdog", UNDER_LOAD, "the watchdog of the clocks ended; another one was started", 0),
    Row("SIGKILL of the mock server", AS_IT_STARTS, "the client's calibration failed: ", 0),
    Row("Ctrl-C", BEFORE_READY, "llmdvfs benchmark: interrupted", 1),
    Row("Ctrl-C", UNDER_LOAD, "llmdvfs benchmark: interrupted", 1),
    Row("SIGTERM to snakemake", UNDER_LOAD, "Will exit after finishing currently running jobs", 1),
    Row("SIGTERM to the benchmark job", UNDER_LOAD, "llmdvfs benchmark: interrupted", 130),
    Row("terminal closed", UNDER_LOAD, UNLOCKED, HUNG_UP),
    Row("server hangs", UNDER_LOAD, "no byte on any of 2 streams for 1.5 s (idle_timeout_s)", 0),
    Row("server answers 500", UNDER_LOAD, "32 requests in a row failed, the last one: HTTP status 500", 0),
    Row("server answers 500 from its start", BEFORE_THE_START, "did not answer a first request: status 500", 1),
    Row("server runs out of GPU memory", UNDER_LOAD, "single-0 died under load: ended with exit code 1; out of GPU", 0),
    Row("too little GPU memory to start", BEFORE_THE_START, "out of GPU memory: torch.OutOfMemoryError", 1),
    Row("wrong engine flag", BEFORE_THE_START, "unrecognized arguments: --no-such-flag; remove it from serving", 1),
    Row("server starts too slowly", BEFORE_THE_START, "not ready after 1 s", 1),
    Row("server ignores SIGTERM", BEFORE_THE_START, "single_m launch 1: servers stopped", 0),
    Row("proxy port taken", BEFORE_THE_START, "is not free: held by process", 1),
    Row("proxy port taken meanwhile", BEFORE_THE_START, "cannot be taken: held by process", 1),
    Row("GPUs in use by others", BEFORE_THE_START, "GPU 0 is in use by process", 1),
    Row("GPU lost", UNDER_LOAD, "GPU is lost", 1),
    Row("model folder removed", BEFORE_THE_START, "is not a folder; expected a model folder", 1),
    Row("model folder removed", AT_THE_END, "is gone; put it back, and run again", 1),
    Row("disk full", UNDER_LOAD, "are free in results: free some, and run again", 1),
    Row("results not writable", BEFORE_THE_START, "is not a writable folder", 1),
    Row("results not writable any more", BEFORE_THE_START, "cannot be written: Read-only file system", 1),
    Row("wall clock set forward", UNDER_LOAD, "single_m/chat/low/launch-1: measured", 0),
]
