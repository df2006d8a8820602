"""The modelled GPU against figures worked out by hand: voltage floor, limiter, lingering bit, warmth."""

import numpy as np
import pytest
from modelled.gpu import Limiter, at_work, idle, steady_energy
from modelled.truths import Truth, decode_of, prefill_of

# Below 1980 MHz the voltage does not move: square 1 everywhere. Time 1980 / f, all compute.
FLAT = Truth(
    idle_w=100.0,
    memory_w=0.0,
    switching_w=800.0,
    floor_mhz=1979.0,
    knee_mhz=1980.0,
    slope_above_knee=0.0,
    compute_share=100.0,
    clock_of_memory_mhz=210.0,
)


def volts_square(clock_mhz: float) -> float:
    """(0.7 / 0.95)^2 below the floor: the voltage rises from 0.70 to 0.95 above it."""
    return 1.0 if clock_mhz == 1980 else (0.7 / 0.95) ** 2


def power_w(clock_mhz: float) -> float:
    square = volts_square(clock_mhz)
    return 70 + 30 * square + 800 * square * clock_mhz / 1980


def test_power_follows_clock_and_voltage() -> None:
    assert float(FLAT.power_at(np.array(1980.0))) == pytest.approx(900)  # 70 + 30 + 800
    assert float(FLAT.power_at(np.array(990.0))) == pytest.approx(70 + 16.2881 + 217.1745, abs=1e-3)  # 0.542936 x


def test_a_load_over_the_limit_runs_on_for_50_ms_and_the_bit_stays_for_half_a_second() -> None:
    limiter = Limiter()
    seen = {t_ms: at_work(FLAT, t_ms / 1000, 1980, 700, 50.0, limiter) for t_ms in range(0, 120, 10)}
    assert [seen[t_ms].power_w for t_ms in (0, 40)] == pytest.approx([900, 900])
    assert not seen[40].is_capped
    held = seen[50]  # 1965 MHz, a step below, is on the voltage's floor: 70 + 16.29 + 431.06 W
    assert (held.clock_mhz, held.power_w) == (1965, pytest.approx(power_w(1965)))
    assert power_w(1965) == pytest.approx(517.3, abs=0.1)
    assert seen[110].is_capped
    assert idle(FLAT, 0.60, 1980, 50.0, limiter).is_capped  # 0.49 s after 0.11 s
    assert not idle(FLAT, 0.62, 1980, 50.0, limiter).is_capped


def test_a_pause_as_long_as_the_limiter_needs_lets_the_next_load_go_over_again() -> None:
    limiter = Limiter()
    for t_s in (0.0, 0.03, 0.06):
        last = at_work(FLAT, t_s, 1980, 700, 50.0, limiter)
    assert last.clock_mhz == 1965
    limiter.is_holding(0.2, is_over=False)
    assert at_work(FLAT, 0.21, 1980, 700, 50.0, limiter).power_w == pytest.approx(900)


def test_a_warm_gpu_leaks_more_and_comes_to_rest_where_power_and_warmth_agree() -> None:
    warm = at_work(FLAT, 0.0, 990, 700, 60.0, Limiter())
    assert warm.power_w == pytest.approx(power_w(990) + 1.62881, abs=1e-3)  # a tenth of 16.2881 W at 10 K more
    steady_w, unit_time = steady_energy(FLAT, 990, 700)
    temperature_c = 28 + 0.06 * steady_w
    assert at_work(FLAT, 0.0, 990, 700, temperature_c, Limiter()).power_w == pytest.approx(steady_w)
    assert unit_time == pytest.approx(200)  # 100 x 1980 / 990


def test_an_idle_gpu_draws_by_the_clock_that_it_is_locked_to() -> None:
    high, low = (idle(FLAT, 0.0, clock, 50.0, Limiter()).power_w for clock in (1980, 990))
    assert high == pytest.approx(70 + 30 + 0.05 * 800)
    assert low == pytest.approx(70 + 16.2881 + 0.05 * 800 * 0.542936 / 2, abs=1e-3)


def test_a_batch_between_the_tables_lies_between_them_on_one_gpu() -> None:
    gpu, (eight, twenty, many) = prefill_of(3), (decode_of(3, batch) for batch in (8, 22, 64))
    assert {truth.idle_w for truth in (gpu, eight, twenty, many)} == {gpu.idle_w}
    factor = gpu.compute_share / 0.97
    # log2(22) = 4.459: (4.459 - 3) / 3 = 0.4865 of the way from 0.18 to 0.45
    assert twenty.compute_share == pytest.approx(factor * (0.18 + 0.4865 * 0.27), rel=1e-3)
