"""Physical truths: energy is additive, zero power gives zero, constant P gives P dt, a time shift changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.analysis.energy.curve import EnergyCurve, curve_from_counter, curve_from_power
from llmdvfs.analysis.sensors import Series
from llmdvfs.errors import TelemetryGap

POLL_S, PERIOD_S, LENGTH_S = 0.02, 0.1, 12.0
instants = st.floats(0.5, 11.0)


def stepping_counter(power_w: float, *, shift_s: float = 0.0, seed: int = 0) -> Series:
    """A counter that is refreshed every 100 ms and polled about every 20 ms."""
    polls_s = np.arange(0.0, LENGTH_S, POLL_S) + np.random.default_rng(seed).uniform(0, 0.005, 600)
    return Series(polls_s + shift_s, 1000.0 + power_w * PERIOD_S * np.floor(polls_s / PERIOD_S))


def irregular_power(seed: int, low_w: float, high_w: float) -> Series:
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.uniform(0.001, 0.2, 200))
    return Series(t_s[t_s < LENGTH_S + 0.3], rng.uniform(low_w, high_w, np.sum(t_s < LENGTH_S + 0.3)))


@given(instants, instants, instants, st.integers(0, 50))
def test_energy_is_additive_over_adjacent_windows(a: float, b: float, c: float, seed: int) -> None:
    first, middle, last = sorted((a, b, c))
    power = irregular_power(seed, 0.0, 700.0)
    for curve in (curve_from_power("p", power), curve_from_counter("c", stepping_counter(400.0, seed=seed))):
        parts = curve.between_j(first, middle) + curve.between_j(middle, last)
        assert parts == pytest.approx(curve.between_j(first, last), abs=1e-6)


@given(instants, instants, st.integers(0, 50))
def test_zero_power_gives_zero(a: float, b: float, seed: int) -> None:
    begin_s, end_s = sorted((a, b))
    assert curve_from_power("p", irregular_power(seed, 0.0, 0.0)).between_j(begin_s, end_s) == 0.0
    assert curve_from_counter("c", stepping_counter(0.0, seed=seed)).between_j(begin_s, end_s) == 0.0


@given(instants, instants, st.floats(1.0, 1000.0), st.integers(0, 50))
def test_constant_power_gives_power_times_time(a: float, b: float, power_w: float, seed: int) -> None:
    begin_s, end_s = sorted((a, b))
    expected_j = power_w * (end_s - begin_s)
    assert curve_from_power("p", irregular_power(seed, power_w, power_w)).between_j(begin_s, end_s) == pytest.approx(
        expected_j, abs=1e-6
    )
    # Instants of refreshes are known to a part of the poll interval only.
    counted_j = curve_from_counter("c", stepping_counter(power_w, seed=seed)).between_j(begin_s, end_s)
    assert counted_j == pytest.approx(expected_j, abs=power_w * POLL_S / 4)


@given(st.floats(0.0, 1e5), st.integers(0, 50))
def test_a_time_shift_changes_nothing(shift_s: float, seed: int) -> None:
    here = curve_from_counter("c", stepping_counter(321.0, seed=seed)).between_j(2.0, 9.0)
    there = curve_from_counter("c", stepping_counter(321.0, shift_s=shift_s, seed=seed))
    assert there.between_j(2.0 + shift_s, 9.0 + shift_s) == pytest.approx(here, abs=1e-3)


def test_a_counter_that_went_back_hides_what_was_used_only_around_that_instant() -> None:
    """A driver reload puts the counter back to 0: 100 W, polled every 0.5 s, reset between 5.0 and 5.5 s."""
    t_s = np.arange(0.0, 10.5, 0.5)
    value_j = np.where(t_s <= 5.0, 1000 + 100 * t_s, 100 * (t_s - 5.25))
    curve = curve_from_counter("energy counter of gpu0", Series(t_s, value_j))
    assert curve.between_j(0.0, 5.0) == pytest.approx(500.0)
    assert curve.between_j(6.0, 10.0) == pytest.approx(400.0)
    with pytest.raises(TelemetryGap, match=r"energy counter of gpu0 went back .* at t = 5.250 s"):
        curve.between_j(4.0, 6.0)
    rows = curve.increments(0.0, 10.0)
    assert (5.0, 5.5) not in set(zip(rows.begin_s.tolist(), rows.end_s.tolist(), strict=True))
    assert rows.energy_j.tolist() == pytest.approx([50.0] * 19)


def test_a_counter_survives_a_hole_in_its_readings_where_power_does_not() -> None:
    t_s = np.concatenate((np.arange(0.0, 3.0, 0.1), np.arange(6.0, 9.0, 0.1)))
    counter = curve_from_counter("counter", Series(t_s, 200.0 * t_s))
    power = curve_from_power("power", Series(t_s, np.full_like(t_s, 200.0)))
    assert counter.between_j(1.0, 8.0) == pytest.approx(1400.0)
    assert power.between_j(6.5, 8.5) == pytest.approx(400.0)
    with pytest.raises(TelemetryGap, match=r"power was not read from 2.900 to 6.000 s"):
        power.between_j(1.0, 8.0)
    with pytest.raises(TelemetryGap, match="counter was not read"):
        counter.between_j(1.0, 4.5)  # an edge inside the hole


def test_a_window_outside_the_readings_is_a_gap_not_zero() -> None:
    curve = curve_from_counter("counter", stepping_counter(100.0))
    with pytest.raises(TelemetryGap, match=r"the window is 11.000 to 14.000 s"):
        curve.between_j(11.0, 14.0)


@pytest.mark.parametrize("make", [curve_from_counter, curve_from_power])
def test_one_reading_is_a_gap_not_zero(make: type[EnergyCurve]) -> None:
    with pytest.raises(TelemetryGap, match="1 readings, expected at least 2"):
        make("x", Series(np.array([1.0]), np.array([5.0])))


def test_a_negative_step_takes_nothing_from_a_window_that_begins_after_it() -> None:
    """100 W, read every second, back to 0 between 4 and 5 s: from 4.75 to 9 s at least the 400 J since 5 s were used.

    Followed down as it is, the step of -400 J would have taken a quarter of itself, 100 J, from this window.
    """
    t_s = np.arange(0.0, 11.0)
    curve = curve_from_counter("energy counter of gpu0", Series(t_s, np.where(t_s < 5, 100 * t_s, 100 * (t_s - 5))))
    assert curve.between_j(4.75, 9.0) == pytest.approx(400.0)


def test_beyond_the_readings_power_stays_what_it_was_last() -> None:
    """10 W, then 30 W, told at 0, 1 and 2 s: half a second before is 10 W, half a second after 30 W."""
    t_s = np.array([0.0, 1.0, 2.0])
    curve = EnergyCurve("c", t_s, np.array([0.0, 10.0, 40.0]), t_s, np.array([]), needs_every_poll=False)
    assert curve.between_j(1.0, 2.5) == pytest.approx(30 + 15)
    assert curve.between_j(-0.5, 1.0) == pytest.approx(5 + 10)
