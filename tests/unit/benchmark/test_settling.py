"""When a load has settled at a new operating point: from its power, its clocks and its rate alone."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson
import pytest

from llmdvfs.benchmark.sweep.live import Live, Sensor
from llmdvfs.benchmark.sweep.settling import SPAN_S, is_level, look
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import LoadProgress
from llmdvfs.records.telemetry import Reading, TelemetryDevice, TelemetryHeader
from llmdvfs.records.telemetry_line import header_line, reading_line

Over = Callable[[float], float]


def ns(t_s: float) -> int:
    return round(t_s * NS_PER_S)


def progress(t_s: float, num_reads: float, oldest_s: float | None) -> LoadProgress:
    oldest = None if oldest_s is None else ns(oldest_s)
    return LoadProgress(ns(t_s), 9, 5, 5, 5, round(num_reads), oldest, 4, 4, 0.1, 1, "normal", (), 0.0, None)


def live(
    folder: Path,
    until_s: float,
    power_w: Over = lambda t_s: 400.0,
    rate_per_s: Over = lambda t_s: 500.0,
    oldest_s: Over = lambda t_s: t_s - 0.5,
) -> Live:
    """A load seen from 0 s on: readings every 0.1 s, the client's word every 0.2 s."""
    header = TelemetryHeader((TelemetryDevice("gpu0", "gpu", "a GPU"),), 0.1, None, 0, 0.0, "nvml_power")
    times_s = np.arange(0.0, until_s, 0.1).tolist()
    values = [{"power_instant_w": power_w(t_s), "sm_clock_mhz": 1410.0} for t_s in times_s]
    lines = [reading_line(Reading("gpu0", ns(t_s), ns(t_s), dict(v))) for t_s, v in zip(times_s, values, strict=True)]
    (folder / "telemetry.jsonl").write_bytes(header_line(header) + b"".join(lines))
    word_s = np.arange(0.0, until_s + 0.01, 0.2).tolist()
    reads = np.cumsum([0.2 * rate_per_s(t_s) for t_s in word_s])
    told = [asdict(progress(t_s, num, oldest_s(t_s))) for t_s, num in zip(word_s, reads, strict=True)]
    (folder / "progress.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in told))
    seen = Live(folder / "telemetry.jsonl", folder / "progress.jsonl", ["gpu0"])
    seen.update()
    return seen


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([400.0] * 8, True),
        ([400.0] * 4 + [407.0] * 4, True),  # 1.7 % of 403.5
        ([400.0] * 4 + [410.0] * 4, False),  # 2.5 %, and no noise that would explain it
        ([300.0, 500.0, 350.0, 450.0, 320.0, 480.0, 400.0, 440.0], True),  # 2.5 %: each half's mean is known to 10 %
        ([0.0] * 8, False),
        ([400.0] * 3, False),
    ],
)
def test_halves_of_one_mean_are_level(values: list[float], expected: bool) -> None:
    assert is_level(np.array(values)) is expected


def test_a_point_is_settled_two_seconds_after_all_is_level(tmp_path: Path) -> None:
    """The clock falls at 1.0 s; power needs until 3.0 s for it, and the span that is looked at lies behind that."""

    def falling(t_s):
        return 700.0 - 150.0 * min(max(t_s - 1.0, 0.0), 2.0)

    assert not look(live(tmp_path, 2.8, falling), ns(1.0), ns(2.8)).is_level
    assert not look(live(tmp_path, 4.0, falling), ns(1.0), ns(4.0)).is_level
    found = look(live(tmp_path, 5.2, falling), ns(1.0), ns(5.2))
    assert found.is_level
    assert found.span_mono_ns == (ns(5.2 - SPAN_S), ns(5.2))
    assert "gpu0 W 400 (+0.0%)" in found.seen


def test_requests_of_the_point_before_are_awaited_however_level_all_is(tmp_path: Path) -> None:
    found = look(live(tmp_path, 8.0, oldest_s=lambda t_s: 0.9), ns(1.0), ns(8.0))
    assert not found.is_level
    assert found.seen == "requests of the point before are still in flight"
    assert look(live(tmp_path, 8.0, oldest_s=lambda t_s: 1.1), ns(1.0), ns(8.0)).is_level


def test_a_rate_that_still_falls_is_not_settled(tmp_path: Path) -> None:
    found = look(live(tmp_path, 4.0, rate_per_s=lambda t_s: 800.0 - 100.0 * t_s), ns(1.0), ns(4.0))
    assert not found.is_level
    assert found.seen.startswith("reads/s ")


def test_a_slow_load_is_judged_over_all_its_time_at_the_point(tmp_path: Path) -> None:
    """Two seconds of four reads a second hold eight, which show no rate; nine seconds hold enough."""

    def slow(t_s):
        return 5.0

    assert look(live(tmp_path, 10.0, rate_per_s=slow), ns(1.0), ns(10.0)).is_level


def test_a_load_that_gives_nothing_never_settles(tmp_path: Path) -> None:
    assert not look(live(tmp_path, 10.0, rate_per_s=lambda t_s: 0.0), ns(1.0), ns(10.0)).is_level


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    seen = live(tmp_path, 1.0)
    num_before = seen.values(Sensor("gpu0", "sm_clock_mhz"), 0, ns(9.0)).size
    line = reading_line(Reading("gpu0", ns(2.0), ns(2.0), {"sm_clock_mhz": 600.0}))
    with (tmp_path / "telemetry.jsonl").open("ab") as file:
        file.write(line[:20])
        file.flush()
        seen.update()
        assert seen.values(Sensor("gpu0", "sm_clock_mhz"), 0, ns(9.0)).size == num_before
        file.write(line[20:])
    seen.update()
    assert seen.values(Sensor("gpu0", "sm_clock_mhz"), 0, ns(9.0))[-1] == 600.0
