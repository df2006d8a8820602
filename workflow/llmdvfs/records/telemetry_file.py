"""Lines of the telemetry file: how they are written, and the file read back whole."""

from pathlib import Path
from typing import Any

import orjson

from llmdvfs.errors import SchemaError
from llmdvfs.records.store import record_of, to_json
from llmdvfs.records.telemetry import Reading, TelemetryHeader


def header_line(header: TelemetryHeader) -> bytes:
    """Return the first line of a telemetry file, with its line end."""
    return orjson.dumps(to_json(header), option=orjson.OPT_APPEND_NEWLINE)


def reading_line(reading: Reading) -> bytes:
    """Return one reading as a line of the file, with its line end."""
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
    """Return the reading that a line holds; ValueError or KeyError where the line is not a reading."""
    data = orjson.loads(line)
    return Reading(data["d"], data["b"], data["e"], data["v"], data.get("x", {}))


def read_telemetry(path: Path) -> tuple[TelemetryHeader, list[Reading]]:
    """Return the header and all readings of a telemetry file, in the order in which they began.

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
