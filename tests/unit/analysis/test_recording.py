import pytest

from llmdvfs.analysis.recording.summary import summarise_recording
from llmdvfs.analysis.recording.text import recording_csv, recording_table
from llmdvfs.errors import TelemetryGap
from llmdvfs.records.telemetry import EnergySource, Reading, SamplerReport, TelemetryDevice, TelemetryHeader

MS = 1_000_000
REPORT = SamplerReport(
    num_readings=22, num_missed_slots=1, num_slots=12, lateness_p99_s=0.001, cpu_s=0.1, ended_mono_ns=0, error=None
)


def header(source: EnergySource) -> TelemetryHeader:
    devices = (TelemetryDevice("gpu0", "gpu", "Some GPU"), TelemetryDevice("cpu", "cpu", "Some CPU"))
    return TelemetryHeader(devices, 0.1, 0.02, started_mono_ns=0, started_unix_s=100.0, energy_source=source)


def gpu_readings() -> list[Reading]:
    """1 s of 200 W, then 1 s of 400 W; the counter steps every 100 ms."""
    readings = []
    energy_j = 5000.0
    for slot in range(21):
        t_ns = 1_000 * MS + slot * 100 * MS
        power_w = 200.0 if slot <= 10 else 400.0
        energy_j += power_w * 0.1 if slot else 0.0
        readings.append(Reading("gpu0", t_ns, t_ns, {"power_instant_w": power_w, "clock_event_reasons": 4}))
        readings.append(Reading("gpu0", t_ns, t_ns, {"energy_j": energy_j}))
    return readings


def test_statistics_and_energy_of_a_recording() -> None:
    record = summarise_recording(header("nvml_counter"), gpu_readings(), REPORT)
    assert record.started_unix_s == 101.0
    assert record.duration_s == 2.0
    gpu, cpu = record.devices
    assert gpu.counter_j == gpu.energy_j == pytest.approx(200 + 400)
    # ten intervals of 200 W, one trapezoid from 200 to 400 W, nine of 400 W
    assert gpu.integral_j == pytest.approx(200 + 30 + 360)
    assert gpu.mean_power_w == pytest.approx(300)
    assert gpu.max_power_w == 400
    power = gpu.statistics["power_instant_w"]
    assert (power.n, power.min, power.max) == (21, 200, 400)
    assert power.mean == pytest.approx((11 * 200 + 10 * 400) / 21)
    assert set(gpu.statistics) == {"power_instant_w"}  # neither counters nor bit sets have a mean
    assert (cpu.energy_j, cpu.mean_power_w, cpu.statistics) == (None, None, {})


def test_failed_readings_are_counted_with_their_cause() -> None:
    refused = [Reading("gpu0", 0, 1, {"temperature_c": None}, {"temperature_c": "refused"})] * 3
    record = summarise_recording(header("nvml_counter"), refused + gpu_readings(), REPORT)
    assert "temperature_c: 3 of its readings failed: refused" in record.devices[0].missing
    assert "temperature_c" not in record.devices[0].statistics


def test_without_power_the_table_says_so() -> None:
    readings = [Reading("cpu", 0, 1, {"cpu_utilisation_fraction": 0.25, "host_memory_used_bytes": 2**30})]
    text = recording_table(summarise_recording(header("none"), readings, REPORT))
    assert "no power data on this machine" in text
    assert " J" not in text
    assert text.splitlines()[-1].split()[-2:] == ["25.0", "1.0"]  # CPU % and host GiB


def test_the_table_shows_energy_both_ways_and_why_it_ended() -> None:
    report = SamplerReport(22, 1, 12, 0.001, 0.1, 0, error="gpu0 is lost")
    text = recording_table(summarise_recording(header("nvml_counter"), gpu_readings(), report))
    assert "2.00 s, 22 readings, one every 0.1 s, 1 of 12 slots missed" in text
    assert "ended early: gpu0 is lost" in text
    assert "gpu0: counter 600.0 J, integral of power 590.0 J" in text


def test_several_gpus_are_one_table_with_a_total() -> None:
    """Eight GPUs were eight tables, and nobody added up what they took.

    Each of two: 100 W for 2 s = 200 J; NVLink from 1 to 4 GB out and 0 to 2 GB in: 5 GB, 10 of both.
    """
    devices = tuple(TelemetryDevice(f"gpu{k}", "gpu", "Some GPU") for k in range(2))
    readings = [
        Reading(device.device_id, t_ns, t_ns, values)
        for slot in range(21)
        for device in devices
        for t_ns in [slot * 100 * MS]
        for values in ({"power_instant_w": 100.0, "energy_j": 10.0 * slot}, _links(slot))
    ]
    head = TelemetryHeader(devices, 0.1, 0.02, started_mono_ns=0, started_unix_s=0.0, energy_source="nvml_counter")
    rows = [line.split("  ") for line in recording_table(summarise_recording(head, readings, REPORT)).splitlines()]
    table = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert table[2] == ["device", "mean W", "max W", "energy J", "Wh", "NVLink GB"]
    assert table[4] == ["gpu1", "Some GPU", "100.0", "100.0", "200.0", "0.0556", "5.00"]
    assert table[5] == ["total", "2 GPUs", "200.0", "400.0", "0.1111", "10.00"]


def _links(slot: int) -> dict[str, float | None]:
    return {"nvlink_tx_bytes": 1e9 + 3e9 * slot / 20, "nvlink_rx_bytes": 2e9 * slot / 20}


def test_csv_has_a_row_a_reading_and_empty_fields_for_what_is_missing() -> None:
    readings = [
        Reading("gpu0", 0, 1, {"power_instant_w": 100.0}),
        Reading("gpu0", 500 * MS, 500 * MS, {"energy_j": 7.5}),
        Reading("cpu", 600 * MS, 600 * MS, {"cpu_clock_mhz": None}, {"cpu_clock_mhz": "?"}),
    ]
    assert recording_csv(summarise_recording(header("nvml_counter"), readings, REPORT)) == (
        "t_s,device_id,power_instant_w,energy_j,cpu_clock_mhz\n"
        "0.000000,gpu0,100.0,,\n"
        "0.500000,gpu0,,7.5,\n"
        "0.600000,cpu,,,\n"
    )


def test_an_empty_recording_is_a_gap() -> None:
    with pytest.raises(TelemetryGap, match="nothing was read"):
        summarise_recording(header("none"), [], REPORT)
