import math

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Level, role_occupancy
from llmdvfs.analysis.energy.phase_increments import PhaseIncrements
from llmdvfs.analysis.energy.refresh_error import refresh_error_s, refresh_power_error_w
from llmdvfs.records.phases import PhaseInterval

LEVELS = (Level("prefill"), Level("decode"))
POWER_W = np.array([600.0, 300.0])


def increments(error_s: float, prefill_s: float, period_s: float = 2.0, num_periods: int = 200) -> PhaseIncrements:
    """Refreshes every 100 ms, dated wrongly by a normal error; 600 W of prefill, then 300 W of decode, in turn."""
    rng = np.random.default_rng(1)
    t_s = np.arange(0.0, num_periods * period_s, 0.1)
    true_s = t_s + rng.normal(0, error_s, len(t_s))
    periods, rest_s = np.divmod(true_s, period_s)
    energy_j = periods * (600 * prefill_s + 300 * (period_s - prefill_s)) + (
        600 * np.minimum(rest_s, prefill_s) + 300 * np.maximum(rest_s - prefill_s, 0)
    )
    intervals = [
        PhaseInterval(i, phase, "single", i * period_s + begin_s, i * period_s + end_s, False)
        for i in range(num_periods)
        for phase, begin_s, end_s in (("prefill", 0.0, prefill_s), ("decode", prefill_s, period_s))
    ]
    occupancy = role_occupancy(intervals, "single")
    return PhaseIncrements(t_s[:-1], t_s[1:], np.diff(energy_j), occupancy, LEVELS, 0.02, np.zeros(len(t_s) - 1), 10.0)


@pytest.mark.parametrize("error_s", [0.0005, 0.005])
def test_the_error_of_the_refreshes_is_found_from_the_increments(error_s: float) -> None:
    assert refresh_error_s(increments(error_s, prefill_s=0.55), 0.0, POWER_W) == pytest.approx(error_s, rel=0.1)


def test_without_three_increments_in_one_phase_the_polls_bound_the_error() -> None:
    rows = increments(0.001, prefill_s=0.15, period_s=0.3)
    assert refresh_error_s(rows, 0.0, POWER_W) == pytest.approx(0.02 / math.sqrt(12))


def test_the_error_of_a_lone_phase_cancels_but_at_the_ends() -> None:
    """100 increments at 300 W: the sum has two uncertain ends of 1 ms, 0.3 J each, over 10 s."""
    t_s = np.arange(0, 101) / 10
    occupancy = role_occupancy([PhaseInterval(0, "decode", "single", -1.0, 20.0, False)], "single")
    rows = PhaseIncrements(t_s[:-1], t_s[1:], np.full(100, 30.0), occupancy, LEVELS[1:], 0.02, np.zeros(100), 10.0)
    error_w = refresh_power_error_w(rows, 0.0, np.array([300.0]), 0.001, np.eye(1))
    assert error_w.tolist() == pytest.approx([0.3 * math.sqrt(2) / 10])
