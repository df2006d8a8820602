"""`python -m llmdvfs monitor`, on fake GPUs and on this machine's CPU."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.nvml import FakeNvml

from llmdvfs.__main__ import main
from llmdvfs.records.monitor import MonitorRecord
from llmdvfs.records.store import read_record
from llmdvfs.records.telemetry_file import read_telemetry

MakeRealTimeGpus = Callable[[int], FakeNvml]


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_records_gpus_as_json_and_csv(
    make_real_time_gpus: MakeRealTimeGpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = make_real_time_gpus(2)
    fake.set_power(1, 500.0)
    files = ["--json", str(tmp_path / "o.json"), "--csv", str(tmp_path / "o.csv"), "--raw", str(tmp_path / "r.jsonl")]
    assert main(["monitor", "--gpus", "1", "--interval", "0.05", "--duration", "1.5", *files]) == 0
    record = read_record(tmp_path / "o.json", MonitorRecord)
    gpu = record.devices[0]
    assert gpu.device.device_id == "gpu1"
    assert gpu.mean_power_w is not None
    assert gpu.mean_power_w == pytest.approx(500, rel=0.1)  # the counter steps once in 100 ms
    assert record.duration_s == pytest.approx(1.5, abs=0.3)
    _, readings = read_telemetry(tmp_path / "r.jsonl")
    with (tmp_path / "o.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(readings) == len(record.samples)
    printed = capsys.readouterr().out
    assert "gpu1    Fake H200" in printed
    assert "energy J" in printed


def test_without_gpus_it_watches_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", "--gpus", "none", "--duration", "0.6"]) == 0
    printed = capsys.readouterr().out
    assert "cpu  " in printed
    if not list(Path("/sys/class/powercap").glob("intel-rapl:*")):
        assert "no power data on this machine" in printed


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_cleanly_with_the_files_written(
    make_real_time_gpus: MakeRealTimeGpus, tmp_path: Path, interrupt: signal.Signals
) -> None:
    make_real_time_gpus(1)
    raw, output = tmp_path / "raw.jsonl", tmp_path / "o.csv"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    # Whoever runs the tests in the background has Ctrl-C ignored, and so would the monitor.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "llmdvfs", "monitor"]
    command += ["--interval", "0.01", "--csv", str(output), "--raw", str(raw)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as monitor:
        deadline = time.monotonic() + 20
        while not raw.exists() or raw.read_bytes().count(b"\n") < 50:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        monitor.send_signal(interrupt)
        printed, errors = monitor.communicate(timeout=20)
    assert monitor.returncode == 0, errors
    assert "gpu0    Fake H200" in printed
    assert len(output.read_text().splitlines()) >= 50


def test_a_lost_gpu_is_a_failure_that_keeps_what_was_read(
    make_real_time_gpus: MakeRealTimeGpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = make_real_time_gpus(1)
    loss = threading.Timer(2.0, lambda: fake.lose_gpu(0))
    loss.start()
    output = tmp_path / "o.csv"
    assert main(["monitor", "--gpus", "0", "--csv", str(output)]) == 1
    loss.join()
    assert "ended early: gpu0 (GPU-fake-00000000) is lost" in capsys.readouterr().out
    assert len(output.read_text().splitlines()) > 1


def test_gpus_that_are_no_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["monitor", "--gpus", "a,b"]) == 1
    assert "expected indices with commas between" in capsys.readouterr().err


def test_a_recording_can_be_played(
    make_real_time_gpus: MakeRealTimeGpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_real_time_gpus(1).set_power(0, 321.0)
    recorded = tmp_path / "first.jsonl"
    main(["monitor", "--duration", "0.5", "--raw", str(recorded)])
    capsys.readouterr()
    assert main(["monitor", "--replay", str(recorded)]) == 0
    assert "321.0" in capsys.readouterr().out
