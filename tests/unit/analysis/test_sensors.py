import numpy as np
import pytest

from llmdvfs.analysis.sensors import Series, change_instants, device_series, sensor_traits
from llmdvfs.records.readings import readings_of
from llmdvfs.records.telemetry import Reading


def test_series_sit_at_the_middle_of_the_read_and_leave_failed_readings_out() -> None:
    readings = [
        Reading("gpu0", 3_000_000_000, 3_200_000_000, {"power_instant_w": 90.0}),
        Reading("gpu0", 1_000_000_000, 1_000_000_000, {"power_instant_w": 80.0}),
        Reading("gpu0", 2_000_000_000, 2_000_000_000, {"power_instant_w": None}, {"power_instant_w": "NOT_SUPPORTED"}),
        Reading("gpu1", 2_000_000_000, 2_000_000_000, {"power_instant_w": 70.0}),
    ]
    gpu0 = readings_of(readings).of("gpu0")
    series = device_series(gpu0, "power_instant_w", 1_000_000_000)
    assert series.t_s.tolist() == [0.0, 2.1]
    assert series.value.tolist() == [80.0, 90.0]
    assert len(device_series(gpu0, "energy_j", 1_000_000_000)) == 0


def test_a_counter_that_steps_on_a_beat_is_dated_better_than_the_polls_saw_it() -> None:
    """Polled every 20 ms the middle between polls is up to 10 ms off; the beat of 100 ms is found to 1 ms or so."""
    rng = np.random.default_rng(3)
    polls_s = np.cumsum(rng.uniform(0.018, 0.022, 2000))
    value = np.floor((polls_s - 0.0371) / 0.1)
    t_s, _ = change_instants(Series(polls_s, value))
    beat_error_s = (t_s - 0.0371) / 0.1 - np.round((t_s - 0.0371) / 0.1)
    assert np.abs(beat_error_s * 0.1).max() < 0.0015


def test_refreshes_without_a_beat_are_put_between_the_polls() -> None:
    rng = np.random.default_rng(3)
    refreshes_s = np.cumsum(rng.uniform(0.06, 0.14, 200))
    polls_s = np.arange(0.0, 19.0, 0.02)
    series = Series(polls_s, np.searchsorted(refreshes_s, polls_s).astype(float))
    t_s, value = change_instants(series)
    true_s = refreshes_s[value.astype(int) - 1]
    assert np.abs(t_s - true_s).max() <= 0.01 + 1e-9


def test_a_sensor_that_is_faster_than_its_polls_is_dated_at_the_poll() -> None:
    polls_s = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    t_s, value = change_instants(Series(polls_s, polls_s * 50))
    assert t_s.tolist() == polls_s.tolist()
    assert value.tolist() == (polls_s * 50).tolist()


def test_traits_are_found_from_the_data() -> None:
    """A counter that grows by 40 J every 0.1 s, polled every 0.025 s."""
    polls_s = np.arange(0, 400) * 0.025
    traits = sensor_traits(Series(polls_s, 40.0 * np.floor(polls_s / 0.1 + 0.01)))
    assert traits is not None
    assert traits.update_period_s == pytest.approx(0.1)
    assert traits.step == pytest.approx(40.0)
    assert traits.poll_interval_s == pytest.approx(0.025)
    assert traits.num_updates == 99


def test_a_sensor_that_hardly_moved_has_no_traits() -> None:
    assert sensor_traits(Series(np.array([0.0, 1.0, 2.0]), np.array([5.0, 5.0, 6.0]))) is None
