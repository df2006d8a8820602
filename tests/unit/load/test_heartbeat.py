"""The client says where it stood still itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fakes.workloads import workload

from llmdvfs.load.own_error.mock_server import MockServer
from llmdvfs.load.sending.heartbeat import Heartbeat
from llmdvfs.records.load import LoadReport, LoadSpec
from llmdvfs.records.spec import ArrivalSpec
from llmdvfs.records.store import read_record, write_record

STOPPED_S = 0.8


def test_a_client_that_is_stopped_for_a_while_says_when(mock: Callable[..., MockServer], tmp_path: Path) -> None:
    """The server went on all the while; without this, its answers would have taken 0.8 s."""
    load = workload(ArrivalSpec("closed", concurrency=2), num_requests=None, duration_s=3.0, num_output=40)
    url = f"http://127.0.0.1:{mock(gap_s=0.01).port}"
    write_record(tmp_path / "spec.json", LoadSpec(load, url, "mock", None, 1, 1, str(tmp_path / "out")))
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "workflow")}
    with subprocess.Popen([sys.executable, "-m", "llmdvfs", "load", str(tmp_path / "spec.json")], env=env) as client:
        while not (tmp_path / "out" / "journal.bin").exists():
            time.sleep(0.01)
        time.sleep(1.5)  # preparation, and some of the load
        stopped_mono_ns = time.monotonic_ns()
        client.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        resumed_mono_ns = time.monotonic_ns()
        client.send_signal(signal.SIGCONT)
        assert client.wait(30) == 0
    report = read_record(tmp_path / "out" / "load_report.json", LoadReport)
    assert report.standstill_mono_ns is not None
    due, awake = max(report.standstill_mono_ns, key=lambda stood: stood[1] - stood[0])
    assert stopped_mono_ns < due < resumed_mono_ns < awake
    assert (awake - due) / 1e9 > STOPPED_S / 2  # a timer of 0.2 s notices it
    assert report.suspended_s is not None
    assert report.suspended_s < 0.001


def test_a_loop_that_wakes_in_time_has_no_standstill() -> None:
    heartbeat = Heartbeat()
    heartbeat.beat()  # nothing was expected
    heartbeat.expect(0.0)
    heartbeat.beat()
    heartbeat.expect(60.0)
    heartbeat.beat()  # the load is over before the timer
    assert heartbeat.standstills == []


def test_a_late_wake_up_is_a_standstill() -> None:
    heartbeat = Heartbeat()
    heartbeat.expect(-0.2)  # it was to wake 0.2 s ago
    heartbeat.beat()
    [(due, awake)] = heartbeat.standstills
    assert 0.2 <= (awake - due) / 1e9 < 1.0
