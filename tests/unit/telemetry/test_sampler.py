"""The sampler as a real process, on fake GPUs in real time."""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.nvml import FakeNvml

from llmdvfs.errors import ConfigError, TelemetryError
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.telemetry.sampler import SamplerHandle, start_sampler

START_AND_SLEEP = """
import sys, time
from pathlib import Path
from llmdvfs.telemetry.sampler import start_sampler
sampler = start_sampler(Path(sys.argv[1]), interval_s=0.01)
sampler.wait_ready()
print(sampler.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def gpus(make_real_time_gpus: Callable[[int], FakeNvml]) -> FakeNvml:
    return make_real_time_gpus(2)


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def may_set_priorities() -> bool:
    capabilities = re.search(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert capabilities is not None
    return bool(int(capabilities[1], 16) >> 23 & 1)  # CAP_SYS_NICE


def test_samples_all_devices_and_reports(gpus: FakeNvml, tmp_path: Path) -> None:
    gpus.set_power(0, 600.0)
    path = tmp_path / "raw" / "telemetry.jsonl"
    with start_sampler(path, interval_s=0.01, gpu_indices=[0, 1]) as sampler:
        sampler.wait_ready()
        wait_until(lambda: num_lines(path) > 200)
        assert sampler.poll() is None
        report = sampler.stop()
    assert report.error is None
    assert sampler.stop() == report
    header, readings = read_telemetry(path)
    assert header.energy_source == "nvml_counter"
    assert [device.device_id for device in header.devices][:2] == ["gpu0", "gpu1"]
    assert len(readings) == report.num_readings
    assert all(reading.begin_mono_ns <= reading.end_mono_ns for reading in readings)
    assert readings[0].begin_mono_ns >= header.started_mono_ns
    states = [reading for reading in readings if "sm_clock_mhz" in reading.values]
    of_gpu1 = [reading for reading in states if reading.device_id == "gpu1"]
    seen_w = [reading.values["power_instant_w"] for reading in of_gpu1]
    assert seen_w == pytest.approx([75.0] * len(seen_w), abs=0.002)  # the sensor shows whole milliwatts
    counters = [r.values["energy_j"] for r in readings if r.device_id == "gpu0" and set(r.values) == {"energy_j"}]
    assert all(
        after is not None and before is not None and after >= before for before, after in itertools.pairwise(counters)
    )
    assert not (tmp_path / "raw" / "telemetry.log").exists()  # it had nothing to say


def test_a_slow_counter_does_not_delay_the_rest(gpus: FakeNvml, tmp_path: Path) -> None:
    """On an H200 the counter's call blocks for 3 ms and up to 16 ms; every other one takes microseconds."""
    gpus.set_call_cost(0.05, ["energy"])
    path = tmp_path / "telemetry.jsonl"
    with start_sampler(path, interval_s=0.01, counter_interval_s=0.01) as sampler:
        sampler.wait_ready()
        time.sleep(1.0)
        sampler.stop()
    _, readings = read_telemetry(path)
    states = [r for r in readings if r.device_id == "gpu0" and "sm_clock_mhz" in r.values]
    counters = [r for r in readings if r.device_id == "gpu0" and "energy_j" in r.values]
    assert len(counters) <= 25  # 50 ms each
    assert all(r.end_mono_ns - r.begin_mono_ns >= 50_000_000 for r in counters)
    assert len(states) >= 70  # of 100: this machine may be busy, a counter in the same loop would leave 20


def test_the_sampler_starts_without_numpy() -> None:
    """Its threads, begun before signals are blocked, would get the SIGTERM that the sampler waits for."""
    check = "import sys, llmdvfs.telemetry.sampler_process; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": os.pathsep.join(sys.path)}).returncode == 0


def test_the_slots_threads_go_before_busy_neighbours_and_the_counters_do_not(gpus: FakeNvml, tmp_path: Path) -> None:
    with start_sampler(tmp_path / "telemetry.jsonl", interval_s=0.01) as sampler:
        sampler.wait_ready()
        wait_until(lambda: num_lines(tmp_path / "telemetry.jsonl") > 50)
        tasks = [int(task.name) for task in Path(f"/proc/{sampler.pid}/task").iterdir()]
        policies = [os.sched_getscheduler(task) for task in tasks]
    if not may_set_priorities():
        pytest.skip("CAP_SYS_NICE is missing")
    assert policies.count(os.SCHED_RR) == 2  # state and slow
    assert policies.count(os.SCHED_OTHER) == 4  # the main thread, both counters, activity, power samples


def test_a_lost_gpu_ends_it_with_a_message_and_keeps_what_was_sampled(gpus: FakeNvml, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    with start_sampler(path, interval_s=0.01) as sampler:
        sampler.wait_ready()
        wait_until(lambda: num_lines(path) > 100)
        gpus.lose_gpu(1)
        wait_until(lambda: sampler.poll() is not None)
        assert "gpu1 (GPU-fake-00000001) is lost" in (sampler.poll() or "")
        report = sampler.stop()
    assert "GPU is lost" in (report.error or "")
    _, readings = read_telemetry(path)
    assert len(readings) >= 100
    lost = [reading for reading in readings if reading.errors]
    assert {reading.device_id for reading in lost} == {"gpu1"}


def test_sigkill_loses_no_complete_line(gpus: FakeNvml, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    sampler = start_sampler(path, interval_s=0.005)
    sampler.wait_ready()
    wait_until(lambda: num_lines(path) > 100)
    os.kill(sampler.pid, signal.SIGKILL)
    wait_until(lambda: sampler.poll() is not None)
    lines_before = num_lines(path)
    with pytest.raises(TelemetryError, match=r"left no report: ended by SIGKILL.*telemetry.jsonl is kept"):
        sampler.stop()
    _, readings = read_telemetry(path)
    assert len(readings) == lines_before - 1  # the header


def test_it_ends_with_its_parent(gpus: FakeNvml, tmp_path: Path) -> None:
    """A sampler that outlives a killed benchmark would poll the driver for ever."""
    path = tmp_path / "telemetry.jsonl"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_SLEEP, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_until(lambda: num_lines(path) > 50)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_running(pid))
    _, readings = read_telemetry(path)
    assert len(readings) >= 49
    assert "is gone" in (tmp_path / "telemetry_report.json").read_text()


def test_it_outlives_the_thread_that_started_it(gpus: FakeNvml, tmp_path: Path) -> None:
    """PR_SET_PDEATHSIG fires when the starting thread ends, not only when the process does."""
    path = tmp_path / "telemetry.jsonl"
    started: list[SamplerHandle] = []

    def start() -> None:
        started.append(start_sampler(path, interval_s=0.01))
        started[0].wait_ready()

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    with started[0] as sampler:
        lines = num_lines(path)
        wait_until(lambda: num_lines(path) > lines + 200)
        assert sampler.poll() is None


def test_a_gpu_that_is_not_there_is_said_at_once(gpus: FakeNvml, tmp_path: Path) -> None:
    sampler = start_sampler(tmp_path / "telemetry.jsonl", gpu_indices=[5])
    with pytest.raises(TelemetryError, match=r"did not start: there is no GPU \[5\]; this machine has 2"):
        sampler.wait_ready()
    with pytest.raises(TelemetryError, match="left no report"):
        sampler.stop()


def test_a_recorded_file_is_never_written_over(gpus: FakeNvml, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_text("precious\n")
    sampler = start_sampler(path)
    with pytest.raises(TelemetryError, match="expected a new file"):
        sampler.wait_ready()
    with pytest.raises(TelemetryError):
        sampler.stop()
    assert path.read_text() == "precious\n"


def test_an_interval_below_a_millisecond_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"every 0.0001 s .* at least 0.001 s"):
        start_sampler(tmp_path / "telemetry.jsonl", interval_s=0.0001)


def test_replay_plays_a_recording_through_the_sampler(gpus: FakeNvml, tmp_path: Path) -> None:
    gpus.set_power(0, 432.0)
    recorded, played = tmp_path / "recorded.jsonl", tmp_path / "played.jsonl"
    with start_sampler(recorded, interval_s=0.01, gpu_indices=[0]) as sampler:
        sampler.wait_ready()
        time.sleep(0.5)
    with start_sampler(played, interval_s=0.01, replay=recorded) as sampler:
        sampler.wait_ready()
        wait_until(lambda: sampler.poll() is not None)
        assert "the recording is at its end" in (sampler.stop().error or "")
    header, readings = read_telemetry(played)
    assert [device.device_id for device in header.devices] == ["gpu0", "cpu"]
    assert header.energy_source == "nvml_counter"
    powers = {r.values["power_instant_w"] for r in readings if "power_instant_w" in r.values}
    assert 432.0 in powers


def test_a_lost_gpu_that_nobody_needs_does_not_end_it(gpus: FakeNvml, tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    with start_sampler(path, interval_s=0.01, needed_gpus=[0]) as sampler:
        sampler.wait_ready()
        wait_until(lambda: num_lines(path) > 100)
        gpus.lose_gpu(1)
        seen = num_lines(path)
        wait_until(lambda: num_lines(path) > seen + 50)
        assert sampler.poll() is None
        report = sampler.stop()
    assert report.error is None
    assert list(report.lost_devices) == ["gpu1"]
