"""Appends to the telemetry file, so that what was sampled outlives whoever dies."""

import os
from collections.abc import Iterable
from pathlib import Path

from llmdvfs.records.telemetry import Reading, TelemetryHeader
from llmdvfs.records.telemetry_line import header_line, reading_line


class TelemetryWriter:
    """Appends whole lines to a telemetry file, from any thread; what it was given survives any process's death."""

    def __init__(self, path: Path, header: TelemetryHeader) -> None:
        """Begin a new file; FileExistsError where there is one: a raw file is never written over."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._write(header_line(header))

    def append(self, readings: Iterable[Reading]) -> None:
        """Append the readings in one write."""
        self._write(b"".join(reading_line(reading) for reading in readings))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _write(self, lines: bytes) -> None:
        # No buffer of this process stands between a reading and the kernel: SIGKILL loses nothing.
        written = os.write(self._file, lines)
        if written != len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes of telemetry could be written; is the disk full?")
