"""Raw files of other hosts on the measuring host's axis; expected values worked out by hand."""

from pathlib import Path

import pytest

from llmdvfs.records.device_id import gpu_indices, host_of, on_host
from llmdvfs.records.host_files import header_of_all, readings_of_all, report_of_all, telemetry_of, telemetry_report_of
from llmdvfs.records.hosts import ClockLine, HostRecord
from llmdvfs.records.readings import NOTHING_READ, readings_of
from llmdvfs.records.store import write_record
from llmdvfs.records.telemetry import Reading, SamplerReport, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_line import header_line, reading_line

S = 1_000_000_000


def header(device_id: str, **fields: object) -> TelemetryHeader:
    device = TelemetryDevice(device_id, "gpu" if device_id.startswith("gpu") else "cpu", device_id)
    return TelemetryHeader((device,), 0.1, None, 0, 0.0, "nvml_counter" if device.kind == "gpu" else "none", **fields)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of host n1: one reading from 5010 s to 5010.2 s on its own clock."""
    reading = Reading("gpu0", 5010 * S, 5010 * S + 200_000_000, {"energy_j": 7.0})
    (tmp_path / telemetry_of("n1")).write_bytes(header_line(header("gpu0")) + reading_line(reading))
    return tmp_path


def host(clock: ClockLine | None) -> HostRecord:
    return HostRecord("n1", "10.0.0.2", {}, clock)


def test_an_even_clock_is_shifted(folder: Path) -> None:
    """5000 s ahead and no drift: 5010 s there are 10 s here."""
    clock = ClockLine(0, 5000 * S, 0.0, 0.0, 1, 0)
    own = Reading("cpu", 11 * S, 11 * S, {})
    told = header_of_all(folder, header("cpu"), [host(clock)])
    readings = readings_of_all(folder, readings_of([own]), [host(clock)])
    assert [device.device_id for device in told.devices] == ["cpu", "n1/gpu0"]
    assert [(name, *own.begin_mono_ns, *own.end_mono_ns) for name, own in readings.devices.items()] == [
        ("cpu", 11 * S, 11 * S),
        ("n1/gpu0", 10 * S, 10 * S + 200_000_000),
    ]
    assert readings.of("n1/gpu0").column("energy_j").value.tolist() == [7.0]
    assert told.deployment_source(["n1/gpu0"]) == "nvml_counter"


def test_a_clock_that_gains_is_slowed_down() -> None:
    """It gains a tenth: 11 s there are 10 s here, and 0.22 s there 0.2 s."""
    clock = ClockLine(100 * S, 0, 0.1, 0.0, 1, 0)
    assert clock.here_ns(111 * S) == 110 * S
    assert clock.here_ns(100 * S + 220_000_000) == 100 * S + 200_000_000


def test_without_its_clock_no_reading_of_a_host_has_a_place(folder: Path) -> None:
    told = header_of_all(folder, header("cpu"), [host(None)])
    assert len(readings_of_all(folder, NOTHING_READ, [host(None)])) == 0
    assert [device.device_id for device in told.devices] == ["cpu", "n1/gpu0"]
    assert told.absences == ("n1: its clock is not known, so no reading of it has a place in time",)


def test_a_deployment_on_one_host_is_read_as_before(tmp_path: Path) -> None:
    own = readings_of([Reading("cpu", 1, 2, {})])
    assert header_of_all(tmp_path, header("cpu"), []) == header("cpu")
    assert readings_of_all(tmp_path, own, []).devices == own.devices


def test_what_samplers_say_of_themselves_is_added_up(tmp_path: Path) -> None:
    own = SamplerReport(10, 1, 100, 0.001, 0.5, 9, None)
    theirs = SamplerReport(20, 3, 100, 0.004, 0.25, 9, "gpu1 was lost", {"gpu1": "fell off the bus"})
    write_record(tmp_path / telemetry_report_of("n1"), theirs)
    both = report_of_all(tmp_path, own, ["n1"])
    assert (both.num_readings, both.num_missed_slots, both.num_slots) == (30, 4, 200)
    assert (both.lateness_p99_s, both.cpu_s, both.error) == (0.004, 0.75, "gpu1 was lost")
    assert both.lost_devices == {"n1/gpu1": "fell off the bus"}


def test_names_of_devices_of_other_hosts() -> None:
    assert (on_host("n1", "gpu0"), host_of("n1/gpu0"), host_of("gpu0")) == ("n1/gpu0", "n1", None)
    assert gpu_indices(["n1/gpu3", "gpu1", "cpu"]) == [1]
