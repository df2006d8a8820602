"""A lag outside the search is noticed: readings that trail the phases by more than a sensor's delay explains."""

from dataclasses import replace

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Level, Occupancy, step_occupancy
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.increment_blocks import in_blocks
from llmdvfs.analysis.energy.lag import lag_beyond
from llmdvfs.analysis.energy.phase_increments import phase_increments
from llmdvfs.analysis.energy.regression import PhaseSums
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.phases import EngineSteps

INSIDE_S = np.arange(-15, 16) / 100.0
BEYOND_S = np.array([-0.4, -0.3, -0.2, 0.2, 0.3, 0.4])
LEVELS = (Level("prefill"), Level("idle"))
WINDOW_S = (2.0, 55.0)


def half_loaded(late_s: float) -> tuple[EnergyCurve, Occupancy]:
    """Prefill at 600 W for 0.9 s, idle at 100 W for 1.13 s, again and again; the counter shows it `late_s` later."""
    begins_s = np.arange(0.5, 58.0, 2.03)
    steps = [EngineSteps("single", "prefill", float(b), float(b) + 0.9, 1, 0, 1024) for b in begins_s]
    edges_s = np.sort(np.concatenate(([0.0], begins_s, begins_s + 0.9, [60.0])))
    powers_w = np.where(np.arange(len(edges_s) - 1) % 2 == 0, 100.0, 600.0)
    truth_j = np.concatenate(([0.0], np.cumsum(np.diff(edges_s) * powers_w)))
    t_s = np.arange(1.0, 59.0, 0.1)
    energy_j = np.interp(t_s - late_s, edges_s, truth_j) + np.random.default_rng(3).normal(0.0, 0.05, len(t_s))
    return EnergyCurve("made", t_s, energy_j, t_s, np.empty(0), False), step_occupancy(steps, (), "single")


def sums_over(late_s: float, lags_s: Floats) -> PhaseSums:
    curve, occupancy = half_loaded(late_s)
    rows = phase_increments([curve], occupancy, LEVELS, WINDOW_S)
    return in_blocks(rows, np.zeros(len(rows.energy_j), np.int64)).sums_over(lags_s)


@pytest.mark.parametrize("late_s", [0.0, 0.1, -0.12])
def test_a_delay_inside_the_search_is_no_reason(late_s: float) -> None:
    assert lag_beyond([sums_over(late_s, INSIDE_S)], [sums_over(late_s, BEYOND_S)], BEYOND_S) is None


@pytest.mark.parametrize("late_s", [0.3, -0.4])
def test_a_delay_outside_it_is_told_with_its_length(late_s: float) -> None:
    """Edges 0.3 s late gave prefill half of its energy, and an interval around that."""
    reason = lag_beyond([sums_over(late_s, INSIDE_S)], [sums_over(late_s, BEYOND_S)], BEYOND_S)
    assert f"a lag of about {1e3 * late_s:.0f} ms" in (reason or "")


def test_each_role_is_judged_by_its_own_readings() -> None:
    """Of two GPUs one is in step and the other is not: what is true of one says nothing of the other."""
    both = [sums_over(0.0, INSIDE_S), sums_over(0.3, INSIDE_S)], [sums_over(0.0, BEYOND_S), sums_over(0.3, BEYOND_S)]
    alone = lag_beyond([both[0][1]], [both[1][1]], BEYOND_S)
    assert alone is not None
    assert lag_beyond([both[0][0]], [both[1][0]], BEYOND_S) is None


@pytest.mark.parametrize(("of_the_misfit", "is_told"), [(0.82, False), (0.5, True)])
def test_a_period_off_is_no_delay(of_the_misfit: float, is_told: bool) -> None:
    """An H100 that prefilled 16,000 tokens every 0.4 s, with powers that rise while it does, fitted best at -0.31 s.

    That left 0.82 of what the best lag inside the search did, of 256 increments 56 noise variances less: enough to tell
    two lags apart where the model is right, and no sign that the clocks differ.
    """
    inside = sums_over(0.0, INSIDE_S)
    misfit = float((inside.total - inside.profile()[1]).min())
    beyond = replace(inside, total=inside.total - (1 - of_the_misfit) * misfit)
    reason = lag_beyond([inside], [beyond], INSIDE_S - 0.31)
    assert (reason is not None) == is_told
