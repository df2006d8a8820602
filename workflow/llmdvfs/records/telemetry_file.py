"""The telemetry file read back, as records or in columns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import orjson

from llmdvfs.errors import SchemaError
from llmdvfs.records.readings import ReadingColumns, Readings
from llmdvfs.records.store import record_of
from llmdvfs.records.telemetry import Reading, TelemetryHeader
from llmdvfs.records.telemetry_line import parse_reading

LINES_BYTES = 2**22
"""Of the file that are read at once: enough that a column takes most of the time, and little beside the columns."""


def read_telemetry(path: Path) -> tuple[TelemetryHeader, list[Reading]]:
    """Return the header and all readings of a telemetry file, a record each, in the order in which they began.

    A last line without its end, as a killed sampler leaves it, is left out; any other damage is a SchemaError.
    """
    readings: list[Reading] = []
    header = _read(path, lambda lines: readings.extend(parse_reading(line) for line in lines))
    readings.sort(key=lambda reading: reading.begin_mono_ns)
    return header, readings


def read_in_columns(path: Path, *, lines_bytes: int = LINES_BYTES) -> tuple[TelemetryHeader, Readings]:
    """Return the header and the values of all readings, in columns; damage is met as by read_telemetry.

    lines_bytes: how much of the file is read at once.
    """
    columns = ReadingColumns()
    header = _read(path, lambda lines: columns.add([orjson.loads(line) for line in lines]), lines_bytes)
    return header, columns.readings()


def read_header(path: Path) -> TelemetryHeader:
    """Return the header of a telemetry file; the readings are not looked at."""
    with _opened(path) as file:
        return _header(path, file.readline())


def _read(path: Path, take: Callable[[Sequence[bytes]], None], lines_bytes: int = LINES_BYTES) -> TelemetryHeader:
    """Return the header; the lines after it are given to `take`, some at a time, in their order."""
    with _opened(path) as file:
        header, number = _header(path, file.readline()), 2
        while lines := file.readlines(lines_bytes):
            if not lines[-1].endswith(b"\n"):
                lines.pop()
            try:
                take(lines)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise _damage(path, number, lines) or SchemaError(f"{path}: {error}") from error
            number += len(lines)
    return header


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read ({error}); expected the sampler's telemetry file") from error


def _header(path: Path, line: bytes) -> TelemetryHeader:
    if not line.endswith(b"\n"):
        raise SchemaError(f"{path}: has no header line; the sampler ended before it had found the devices")
    try:
        header = orjson.loads(line)
    except ValueError as error:
        raise SchemaError(f"{path}:1: not JSON ({error}); expected the header of a telemetry file") from error
    return record_of(path, header, TelemetryHeader)


def _damage(path: Path, number: int, lines: Sequence[bytes]) -> SchemaError | None:
    """Return what is wrong with the first of these lines that is not a reading; number: of the first of them."""
    for line in lines:
        try:
            ReadingColumns().add([orjson.loads(line)])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return SchemaError(f"{path}:{number}: not a reading ({type(error).__name__}: {error})")
        number += 1
    return None
