from pathlib import Path

import pytest

from llmdvfs.errors import TelemetryGap
from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_line import header_line, reading_line
from llmdvfs.telemetry.replay import replay_probes

HEADER = TelemetryHeader(
    devices=(TelemetryDevice("gpu0", "gpu", "Some GPU"), TelemetryDevice("cpu", "cpu", "Some CPU")),
    interval_s=0.1,
    counter_interval_s=0.02,
    started_mono_ns=1000,
    started_unix_s=0.0,
    energy_source="nvml_counter",
)


def test_readings_come_back_at_the_pace_of_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    readings = [
        Reading("gpu0", 1000, 1001, {"power_instant_w": 1.0}),
        Reading("gpu0", 1002, 1005, {"energy_j": 50.0}),
        Reading("gpu0", 1100, 1101, {"power_instant_w": None}, {"power_instant_w": "refused"}),
        Reading("gpu0", 1200, 1201, {"power_instant_w": 3.0}),
        Reading("gpu0", 1202, 1205, {"energy_j": 60.0}),
        Reading("cpu", 1203, 1206, {"cpu_clock_mhz": 2000.0}),
        Reading("cpu", 1207, 1208, {"cpu_clock_mhz": 2100.0}),
    ]
    path.write_bytes(header_line(HEADER) + b"".join(map(reading_line, readings)))
    now = 500_000
    probes, source = replay_probes(path, clock=lambda: now)
    assert source == "nvml_counter"
    state, counter, cpu = probes
    assert [probe.cadence for probe in probes] == ["state", "counter", "slow"]
    assert state.read().values == {"power_instant_w": 1.0}
    now = 500_100
    assert state.read().values == {"power_instant_w": 1.0}
    now = 500_101
    sample = state.read()
    assert sample.values == {"power_instant_w": None}
    assert sample.errors == {"power_instant_w": "refused"}
    assert sample.lost is None
    assert counter.read().values == {"energy_j": 50.0}
    now = 500_201
    assert state.read().lost == "the recording is at its end"
    assert cpu.read().values == {"cpu_clock_mhz": 2000.0}


def test_samples_with_instants_of_their_own_are_all_played_and_keep_their_distances(tmp_path: Path) -> None:
    """They are fetched once a second: to play only the last before each fetch would lose 49 of 50."""
    path = tmp_path / "t.jsonl"
    readings = [
        Reading("gpu0", 1000, 1001, {"power_instant_w": 1.0}),
        Reading("gpu0", 1010, 1012, {"power_sample_w": 300.0}),
        Reading("gpu0", 1030, 1032, {"power_sample_w": 400.0}),
        Reading("gpu0", 1000, 1040, {"sm_active_fraction": 0.5}),
    ]
    path.write_bytes(header_line(HEADER) + b"".join(map(reading_line, readings)))
    now = 500_000
    probes, _ = replay_probes(path, clock=lambda: now)
    played = {probe.cadence: probe for probe in probes}
    now = 500_035
    assert played["samples"].read().stamped == (
        Reading("gpu0", 500_010, 500_012, {"power_sample_w": 300.0}),
        Reading("gpu0", 500_030, 500_032, {"power_sample_w": 400.0}),
    )
    assert played["samples"].read().stamped == ()
    assert played["activity"].read().stamped == ()  # its mean is not at its end yet
    now = 500_040
    assert played["activity"].read().stamped == (Reading("gpu0", 500_000, 500_040, {"sm_active_fraction": 0.5}),)


def test_a_recording_without_readings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(header_line(HEADER))
    with pytest.raises(TelemetryGap, match="nothing to replay"):
        replay_probes(path)
