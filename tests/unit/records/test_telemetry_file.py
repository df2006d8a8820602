from pathlib import Path

import pytest

from llmdvfs.errors import SchemaError
from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_file import read_in_columns, read_telemetry
from llmdvfs.records.telemetry_line import header_line, reading_line

HEADER = TelemetryHeader(
    devices=(TelemetryDevice("gpu0", "gpu", "Some GPU", "GPU-1", 0, {"driver": "1.2", "power_limit_w": None}),),
    interval_s=0.1,
    counter_interval_s=None,
    started_mono_ns=5,
    started_unix_s=1.5,
    energy_source="nvml_power",
)
FIRST = Reading("gpu0", 10, 12, {"power_instant_w": 100.5, "temperature_c": None}, {"temperature_c": "refused"})
SECOND = Reading("gpu0", 20, 22, {"power_instant_w": 101.0})


def test_what_was_written_is_read_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER) + reading_line(SECOND) + reading_line(FIRST))
    assert read_telemetry(path) == (HEADER, [FIRST, SECOND])


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    whole = header_line(HEADER) + reading_line(FIRST) + reading_line(SECOND)
    begin_of_last = len(header_line(HEADER) + reading_line(FIRST))
    for length in range(begin_of_last, len(whole)):
        path.write_bytes(whole[:length])
        assert read_telemetry(path) == (HEADER, [FIRST])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no header line"),
        (header_line(HEADER)[:-1], "has no header line"),
        (b"{\n", ":1: not JSON"),
        (b'{"schema": "llmdvfs/other", "schema_version": 1}\n', "schema 'llmdvfs/other' version 1, expected"),
        (header_line(HEADER) + b'{"d": "gpu0"\n' + reading_line(FIRST), ":2: not a reading"),
        (header_line(HEADER) + reading_line(FIRST) + b'{"d": "gpu0"}\n', ":3: not a reading"),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    for read in (read_telemetry, read_in_columns):
        with pytest.raises(SchemaError, match=message):
            read(path)


@pytest.mark.parametrize("values", [b"[3]", b"7", b'{"energy_j": "much"}', b'{"energy_j": {}}'])
def test_a_column_holds_numbers(tmp_path: Path, values: bytes) -> None:
    path = tmp_path / "t.jsonl"
    damaged = b'{"d": "gpu0", "b": 1, "e": 2, "v": %b}\n' % values
    path.write_bytes(header_line(HEADER) + reading_line(FIRST) + damaged)
    with pytest.raises(SchemaError, match=":3: not a reading"):
        read_in_columns(path)


def test_a_missing_file_is_a_schema_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="cannot be read"):
        read_telemetry(tmp_path / "none.jsonl")
