"""The telemetry file: appended to line by line, and read back whole."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from llmdvfs.errors import SchemaError
from llmdvfs.records.store import record_of, to_json
from llmdvfs.records.telemetry import Reading, TelemetryHeader


class TelemetryWriter:
    """Appends whole lines, from any thread. What it has been given survives the death of any process."""

    def __init__(self, path: Path, header: TelemetryHeader) -> None:
        """Begin a new file; FileExistsError where there is one: a raw file is never written over."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._write(orjson.dumps(to_json(header), option=orjson.OPT_APPEND_NEWLINE))

    def append(self, readings: Iterable[Reading]) -> None:
        """Add the readings in one write."""
        self._write(b"".join(_line(reading) for reading in readings))

    def close(self) -> None:
        """End the file."""
        os.close(self._file)

    def _write(self, lines: bytes) -> None:
        # No buffer of this process stands between a reading and the kernel: SIGKILL loses nothing.
        written = os.write(self._file, lines)
        if written != len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes of telemetry could be written; is the disk full?")


def _line(reading: Reading) -> bytes:
    line: dict[str, Any] = {
        "d": reading.device_id,
        "b": reading.begin_mono_ns,
        "e": reading.end_mono_ns,
        "v": reading.values,
    }
    if reading.errors:
        line["x"] = reading.errors
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def parse_reading(line: bytes) -> Reading:
    """Return the reading in a line; ValueError or KeyError where it is none."""
    data = orjson.loads(line)
    return Reading(data["d"], data["b"], data["e"], data["v"], data.get("x", {}))


def read_telemetry(path: Path) -> tuple[TelemetryHeader, list[Reading]]:
    """Return the header and all readings, in order of their beginning.

    A last line without its end, as a killed sampler leaves it, is left out; any other damage is a SchemaError.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read ({error}); expected the sampler's telemetry file") from error
    if not lines:
        raise SchemaError(f"{path}: has no header line; the sampler ended before it had found the devices")
    try:
        header = orjson.loads(lines[0])
    except ValueError as error:
        raise SchemaError(f"{path}:1: not JSON ({error}); expected the header of a telemetry file") from error
    readings = []
    for number, line in enumerate(lines[1:], 2):
        try:
            readings.append(parse_reading(line))
        except (ValueError, KeyError, TypeError) as error:
            raise SchemaError(f"{path}:{number}: not a reading ({type(error).__name__}: {error})") from error
    readings.sort(key=lambda reading: reading.begin_mono_ns)
    return record_of(path, header, TelemetryHeader), readings
