"""Readings in columns say what single readings said; expected values worked out by hand."""

from pathlib import Path

import numpy as np

from llmdvfs.records.readings import DeviceReadings, readings_of
from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_file import read_header, read_in_columns
from llmdvfs.records.telemetry_line import header_line, reading_line

HEADER = TelemetryHeader((TelemetryDevice("gpu0", "gpu", "Some GPU"),), 0.1, None, 0, 0.0, "nvml_counter")
READINGS = [
    Reading("gpu0", 40, 43, {"energy_j": 7.5}),
    Reading("gpu1", 10, 12, {"energy_j": 1.0}),
    Reading("gpu0", 20, 23, {"power_instant_w": 100, "temperature_c": None}, {"temperature_c": "refused"}),
    Reading("gpu0", 10, 12, {"energy_j": 5.0}),
    Reading("gpu0", 40, 41, {"temperature_c": 35, "power_instant_w": 110.5}),
]


def of_gpu0(gpu0: DeviceReadings) -> None:
    """Began at 10, 20, 40 and 40 ns; of the two at 40 ns the one that comes first in the file is first."""
    assert gpu0.begin_mono_ns.tolist() == [10, 20, 40, 40]
    assert gpu0.end_mono_ns.tolist() == [12, 23, 43, 41]
    assert gpu0.column("energy_j").row.tolist() == [0, 2]
    assert gpu0.column("energy_j").value.tolist() == [5.0, 7.5]
    assert gpu0.column("power_instant_w").row.tolist() == [1, 3]
    assert gpu0.column("power_instant_w").value.tolist() == [100.0, 110.5]
    np.testing.assert_array_equal(gpu0.column("temperature_c").value, [np.nan, 35.0])
    assert gpu0.column("temperature_c").told.tolist() == [35.0]
    assert len(gpu0.column("sm_clock_mhz").value) == 0


def test_each_device_has_its_readings_by_their_begin() -> None:
    readings = readings_of(READINGS)
    of_gpu0(readings.of("gpu0"))
    assert readings.of("gpu1").column("energy_j").value.tolist() == [1.0]
    assert len(readings.of("gpu2")) == 0
    assert len(readings) == 5


def test_a_file_that_is_read_in_pieces_gives_the_same(tmp_path: Path) -> None:
    """A large file is read some lines at a time; pieces of 60 bytes hold one line or two."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER) + b"".join(map(reading_line, READINGS)) + b'{"d": "gpu0", "b"')
    header, readings = read_in_columns(path, lines_bytes=60)
    assert header == read_header(path) == HEADER
    of_gpu0(readings.of("gpu0"))
    assert len(readings) == 5


def test_a_stretch_of_readings_has_rows_of_its_own() -> None:
    """From 20 to 40 ns lie three of the four: their rows count from the first of them."""
    some = readings_of(READINGS).of("gpu0").between(20, 40)
    assert some.begin_mono_ns.tolist() == [20, 40, 40]
    assert some.column("energy_j").row.tolist() == [1]
    assert some.column("power_instant_w").row.tolist() == [0, 2]
    assert len(readings_of(READINGS).of("gpu0").between(11, 19)) == 0


def test_nothing_was_read() -> None:
    assert len(readings_of([])) == 0
