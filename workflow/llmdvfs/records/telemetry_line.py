"""One line of the telemetry file, written and read back: apart from the file, so that samplers start without numpy."""

from typing import Any

import orjson

from llmdvfs.records.store import to_json
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
