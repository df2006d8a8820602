"""The load generator's process, as the benchmark job starts, watches and ends it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.errors import DataError
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.store import write_record
from llmdvfs.serving.lifetime import how_it_ended

LOAD_SPEC, LOAD_LOG = "load_spec.json", "load.log"
MAX_CAUSE_CHARS = 2000


class LoadClient:
    """A running load generator."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

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
def load_client(spec: LoadSpec) -> Iterator[LoadClient]:
    """Start the load generator for a block; whatever happens, it does not outlive the block.

    spec: what to run; its folder takes the log.
    """
    folder = Path(spec.folder)
    write_record(folder / LOAD_SPEC, spec)
    log = folder / LOAD_LOG
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "llmdvfs", "load", str(folder / LOAD_SPEC), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield LoadClient(process, log)
        finally:
            process.kill()
            process.wait()
