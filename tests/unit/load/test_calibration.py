"""The client's error against a known truth, and the shape of the load that it is measured at."""

import os
import threading
from pathlib import Path

import psutil
import pytest
from fakes.requests import ok_request

from llmdvfs.errors import LlmDvfsError
from llmdvfs.load.own_error import calibration
from llmdvfs.load.own_error.calibration import calibrate, calibration_shape, client_error, serves
from llmdvfs.records.load import CalibrationShape, LoadReport, SendRecord
from llmdvfs.records.request import RequestRecord

MS = 1_000_000


def seen(index: int, sent_ms: float, tokens_ms: list[float], end_ms: float) -> RequestRecord:
    return ok_request(
        index,
        scheduled_mono_ns=int(sent_ms * MS),
        sent_mono_ns=int(sent_ms * MS),
        chunk_mono_ns=[int(token * MS) for token in tokens_ms],
        end_mono_ns=int(end_ms * MS),
    )


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


def test_shape_of_a_load_is_rounded_to_the_harder_side() -> None:
    """Three streams at once, TTFT 52 ms, gaps of 12.5 ms."""
    tokens = [52.0, 64.5, 77.0]
    requests = [seen(i, 0.1 * i, [token + 0.1 * i for token in tokens], 80.0) for i in range(3)]
    assert calibration_shape(requests) == CalibrationShape(num_streams=4, ttft_s=0.05, gap_s=0.01, num_output_tokens=60)


def test_shape_of_a_prefill_load_has_one_token() -> None:
    shape = calibration_shape([seen(0, 0.0, [30.0], 31.0)])
    assert shape is not None
    assert (shape.num_streams, shape.ttft_s, shape.num_output_tokens) == (1, 0.02, 1)


def test_slow_and_fast_loads_stay_within_what_the_mock_can_do() -> None:
    slow = calibration_shape([seen(0, 0.0, [30_000.0, 60_000.0], 60_001.0)])
    fast = calibration_shape([seen(0, 0.0, [0.2, 0.3, 0.4], 0.5)])
    assert slow is not None
    assert fast is not None
    assert (slow.ttft_s, slow.gap_s, slow.num_output_tokens) == (0.5, 0.05, 12)
    assert (fast.ttft_s, fast.gap_s, fast.num_output_tokens) == (0.005, 0.001, 64)


@pytest.mark.parametrize(
    ("known", "served"),
    [
        (CalibrationShape(4, 0.05, 0.02, 30), True),
        (CalibrationShape(4, 0.02, 0.01, 60), True),  # a step harder in both
        (CalibrationShape(4, 0.05, 0.05, 12), False),  # easier: its error says too little
        (CalibrationShape(4, 0.05, 0.005, 64), False),  # two steps harder: its error says too much
        (CalibrationShape(4, 0.5, 0.01, 60), True),  # tokens make the rate: how long the first took is nothing to it
        (CalibrationShape(8, 0.05, 0.02, 30), True),  # a step more streams
        (CalibrationShape(16, 0.05, 0.02, 30), False),
        (CalibrationShape(2, 0.05, 0.02, 30), False),
        (CalibrationShape(4, 0.05, 0.02, 1), False),
    ],
)
def test_a_calibration_serves_the_shapes_beside_its_own(known: CalibrationShape, served: bool) -> None:
    """18 cells had 13 shapes: the same cell another one from launch to launch."""
    assert serves(known, CalibrationShape(num_streams=4, ttft_s=0.05, gap_s=0.02, num_output_tokens=30)) is served


@pytest.mark.parametrize(("ttft_s", "served"), [(0.05, True), (0.02, True), (0.01, False), (0.1, False)])
def test_first_tokens_alone_are_served_by_their_rate(ttft_s: float, served: bool) -> None:
    """Of a load of prompts alone the wait for the token is the only gap there is."""
    assert serves(CalibrationShape(4, ttft_s, 0.05, 1), CalibrationShape(4, 0.05, 0.05, 1)) is served


def test_no_success_no_shape() -> None:
    assert calibration_shape([]) is None


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
