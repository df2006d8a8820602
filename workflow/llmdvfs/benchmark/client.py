"""The load generator's process, as the benchmark job starts, watches and ends it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llmdvfs.errors import DataError
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.store import write_record
from llmdvfs.serving.lifetime import how_it_ended

LOAD_SPEC, LOAD_LOG = "load_spec.json", "load.log"
MAX_CAUSE_CHARS = 2000
START_LIMIT_S = 120.0  # to draw a large plan on a busy machine


class LoadClient:
    """A running load generator."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    def wait_ready(self) -> None:
        """Return once a held client has nothing left to do but to send, or has ended; DataError after START_LIMIT_S."""
        assert self._process.stdout is not None
        waiting = select.poll()  # not select(): this process may hold more than 1024 files
        waiting.register(self._process.stdout, select.POLLIN)
        if not waiting.poll(START_LIMIT_S * 1000):
            raise DataError(f"the load generator was not ready after {START_LIMIT_S:g} s")

    def begin(self) -> None:
        """Tell a held client to begin with its warm-up."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and whoever looks next is told why
            self._process.stdin.write(b"\n")

    def has_ended(self) -> bool:
        """Return whether it has ended, by itself or because it was killed."""
        return self._process.poll() is not None

    def end(self) -> None:
        """Tell a load that has no end of its own to end."""
        self._process.send_signal(signal.SIGTERM)

    def check_ended_well(self) -> None:
        """Raise DataError, in the load generator's own words, where it has failed."""
        code = self._process.poll()
        if code:
            cause = self._log.read_text(encoding="utf-8", errors="replace").strip()[-MAX_CAUSE_CHARS:]
            raise DataError(f"the load generator {how_it_ended(code)}: {cause or 'without a message'}")


@contextmanager
def load_client(spec: LoadSpec, *, held: bool = False) -> Iterator[LoadClient]:
    """Start the load generator for a block; whatever happens, it does not outlive the block.

    spec: what to run; its folder takes the log. held: it starts, a third of a second of Python, and sends nothing
    before it is told to begin.
    """
    folder = Path(spec.folder)
    write_record(folder / LOAD_SPEC, spec)
    log = folder / LOAD_LOG
    command = [sys.executable, "-m", "llmdvfs", "load", str(folder / LOAD_SPEC), "--parent", str(os.getpid())]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--held"] if held else command,
            stdin=subprocess.PIPE if held else subprocess.DEVNULL,
            stdout=subprocess.PIPE if held else output,
            stderr=output,
            bufsize=0,  # what a client that has ended does not take is not tried again
        )
        try:
            yield LoadClient(process, log)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
