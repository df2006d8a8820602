"""The client's error against a known truth."""

import os
import threading
from pathlib import Path

import psutil
import pytest
from fakes.requests import seen

from llmdvfs.errors import LlmDvfsError
from llmdvfs.load.own_error import calibration
from llmdvfs.load.own_error.calibration import calibrate, client_error
from llmdvfs.records.load import CalibrationShape, LoadReport, LoadSpec, SendRecord
from llmdvfs.records.store import read_record

MS = 1_000_000


def report(begin_ms: float, end_ms: float, cpu_s: float) -> LoadReport:
    return LoadReport(
        load_begin_mono_ns=int(begin_ms * MS),
        load_end_mono_ns=int(end_ms * MS),
        num_requests=1,
        num_warmup_requests=0,
        outcomes={"ok": 1},
        stopped_early=None,
        peak_in_flight=1,
        num_connections=1,
        num_reads=3,
        num_bytes=1,
        lateness_p99_s=0.0,
        lateness_max_s=0.0,
        priority="normal",
        cpu_s=cpu_s,
        parse_cpu_s=0.0,
        max_rss_bytes=1,
    )


SHAPE = CalibrationShape(1, 0.05, 0.01, 3)


def test_errors_worked_out_by_hand() -> None:
    """Truth: received at 0.1, tokens at 50, 60, 70 ms. Seen: sent at 0, tokens at 51, 61, 73 ms."""
    result = client_error(
        SHAPE,
        [seen(0, 0.0, [51.0, 61.0, 73.0], 74.0)],
        [SendRecord("r0", 100_000, (50 * MS, 60 * MS, 70 * MS)), SendRecord("warm-up", 0, (1,))],
        report(0.0, 100.0, 0.006),
    )
    assert result.ttft_error_s == pytest.approx(0.0011)  # 51.0 - 49.9 ms
    assert result.gap_error_p99_s == pytest.approx(0.00198)  # 99 % of the way from 0 to 2 ms
    assert result.gap_p99_error_s == pytest.approx(0.00198)  # p99 of (10, 12) is 11.98, of (10, 10) it is 10
    assert result.stamp_error_p50_s == pytest.approx(0.001)
    assert result.cpu_per_token_s == pytest.approx(0.002)
    assert result.cpu_fraction == pytest.approx(0.06)
    assert result.token_rate_per_s == pytest.approx(30.0)


def test_one_token_a_request_has_no_gaps() -> None:
    result = client_error(SHAPE, [seen(0, 0.0, [51.0], 52.0)], [SendRecord("r0", 0, (50 * MS,))], report(0, 60, 0.001))
    assert (result.gap_p99_error_s, result.gap_error_p99_s) == (None, None)


def test_lost_tokens_are_not_compared() -> None:
    with pytest.raises(LlmDvfsError, match="one token a chunk"):
        client_error(SHAPE, [seen(0, 0.0, [51.0], 52.0)], [SendRecord("r0", 0, (1, 2))], report(0, 60, 0.001))


def test_a_real_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client and the mock in processes of their own, a short load: all is measured, and the error is small."""
    monkeypatch.setattr("llmdvfs.load.own_error.calibration.TARGET_S", 0.1)
    library = Path(__file__).parents[3] / "workflow"
    monkeypatch.setenv("PYTHONPATH", str(library))
    result = calibrate(CalibrationShape(num_streams=4, ttft_s=0.01, gap_s=0.005, num_output_tokens=8), tmp_path)
    assert (result.num_requests, result.num_tokens) == (16, 128)
    assert 0 < result.stamp_error_p50_s < 0.05
    assert abs(result.ttft_error_s) < 0.05
    assert result.gap_error_p99_s is not None
    assert result.cpu_per_token_s > 0


def test_a_calibration_ends_once_its_tokens_carry_a_p99(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four streams of 64 tokens: 8 rounds are 2,048 tokens. In 3 s they made 21 rounds."""
    asked: list[LoadSpec] = []

    def read_the_spec(path: Path) -> None:
        asked.append(read_record(path, LoadSpec))
        raise LlmDvfsError("enough seen")

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / "workflow"))
    monkeypatch.setattr(calibration, "_run_client", read_the_spec)
    for shape in (CalibrationShape(4, 0.01, 0.002, 64), CalibrationShape(1, 0.01, 0.05, 12)):
        with pytest.raises(LlmDvfsError, match="enough seen"):
            calibrate(shape, tmp_path)
    assert [spec.workload.num_requests for spec in asked] == [32, 4]  # the slow one: 0.61 s a round, 3 s at most


def test_a_mock_server_that_is_killed_is_an_error_of_the_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL ended it without its log, and the calibration with a FileNotFoundError that nobody expected."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / "workflow"))

    def run_client_and_kill_the_mock(spec: Path) -> None:
        # None for the command of a process that has ended: the whole suite has children that come and go.
        found = psutil.process_iter(["ppid", "cmdline"])
        own = [process for process in found if process.info["ppid"] == os.getpid()]
        mock = next(process for process in own if "mock-server" in (process.info["cmdline"] or []))
        killer = threading.Timer(0.5, mock.kill)  # long before the load's end: at least four rounds of 50 ms
        killer.start()
        try:
            run_client(spec)
        finally:
            killer.join()

    run_client = calibration._run_client
    monkeypatch.setattr(calibration, "_run_client", run_client_and_kill_the_mock)
    with pytest.raises(LlmDvfsError, match=r"calibration|mock server"):
        calibrate(CalibrationShape(num_streams=1, ttft_s=0.01, gap_s=0.005, num_output_tokens=8), tmp_path)
