"""When a GPU is warm: temperatures worked out by hand, on a clock that only the test moves."""

import math
from collections.abc import Callable

import pytest

from llmdvfs.benchmark.soak import largest_slope_c_per_min, until_steady
from llmdvfs.records.run import SoakRecord

S = 1_000_000_000


def soaked(temperature_c: Callable[[float], tuple[float, ...]]) -> tuple[SoakRecord, int]:
    """Return the record, and how often the load was looked after; a second passes at each look."""
    now_ns, num_looks = 7 * S, 0

    def sleep(length_s: float) -> None:
        nonlocal now_ns
        now_ns += round(length_s * S)

    def keep_loaded() -> None:
        nonlocal num_looks
        num_looks += 1

    record = until_steady(lambda: temperature_c((now_ns - 7 * S) / S), keep_loaded, lambda: now_ns, sleep)
    return record, num_looks


def test_a_heat_sink_is_waited_for() -> None:
    """25 to 65 degrees with a time constant of 20 s, told in whole degrees: at 90 s 0.44 degrees are left."""
    record, num_looks = soaked(lambda t_s: (float(round(65 - 40 * math.exp(-t_s / 20))),))
    assert record.is_steady
    assert 75 < record.duration_s < 125
    assert record.temperature_c >= 64
    assert num_looks == record.duration_s + 1


def test_a_warm_gpu_costs_half_a_minute() -> None:
    record, _ = soaked(lambda _: (60.0, 58.0))
    assert record == SoakRecord(30.0, True, pytest.approx(0.0, abs=1e-9), 60.0)


def test_every_gpu_has_to_be_warm_and_the_time_is_limited() -> None:
    """One stands at 50 degrees, the other gains 2 degrees a minute for ever."""
    record, _ = soaked(lambda t_s: (50.0, 40.0 + t_s / 30))
    assert (record.duration_s, record.is_steady) == (300.0, False)
    assert record.slope_c_per_min == pytest.approx(2.0)


def test_a_gpu_that_cools_down_is_not_steady_either() -> None:
    looks = [(float(t), (80.0 - t / 10,)) for t in range(40)]
    assert largest_slope_c_per_min(looks) == pytest.approx(6.0)
    assert largest_slope_c_per_min(looks[:30]) is None  # 29 s: too short to say
