"""Which power model the readings support, from readings made by hand."""

import numpy as np
import pytest

from llmdvfs.analysis.energy.cross_validation import _solve, held_out_error, supported_models
from llmdvfs.analysis.energy.regression import PhaseSums, phase_sums


def test_without_readings_outside_the_held_out_block_there_is_no_power_and_no_error() -> None:
    """A cell of one block of readings ended its analysis: the fit without that block had nothing to solve."""
    assert list(_solve(np.zeros((2, 2)), np.zeros(2))) == [0.0, 0.0]


def test_powers_solve_the_normal_equations() -> None:
    """2 s of prefill at 600 W and 4 s of decode at 400 W, each by itself."""
    power_w = _solve(np.diag([2.0, 4.0]), np.array([1200.0, 1600.0]))
    assert np.allclose(power_w, [600.0, 400.0], rtol=1e-6)


def sums_of(seconds: np.ndarray, energy_j: np.ndarray) -> PhaseSums:
    """Increments of 0.1 s, ten to a block; the columns of `seconds` are levels, their lag is known."""
    in_tens = seconds.reshape(1, -1, 10, seconds.shape[1]).copy()
    return phase_sums([in_tens], np.full(in_tens.shape[1:3], 0.1), energy_j.reshape(-1, 10))


def two_models(slope_w: float) -> list[PhaseSums]:
    """One power for all batches, and one that rises with the batch from 300 W by slope_w; noise of 0.5 J."""
    rng = np.random.default_rng(5)
    share = rng.uniform(0.0, 1.0, 400)
    energy_j = 0.1 * (300.0 + slope_w * share) + rng.normal(0.0, 0.5, 400)
    return [sums_of(np.full((400, 1), 0.1), energy_j), sums_of(0.1 * np.stack([1 - share, share], axis=1), energy_j)]


def test_levels_that_the_power_does_not_follow_are_not_worth_it() -> None:
    """The first of those that predict alike is taken: one power, where all batches draw the same."""
    assert supported_models(two_models(0.0), 0)[0] == 0


def test_a_power_that_follows_the_batch_leaves_one_power_behind() -> None:
    assert supported_models(two_models(200.0), 0) == [1]


def test_the_error_is_of_stretches_that_the_fit_had_not_seen() -> None:
    """Ten blocks, each 1 s at 200 W but the last at 300 W, one level: fits without a block give 211.1 W or 200 W.

    Less the readings' own square, which all models share, a block of 1 s at P that is held out costs
    p^2 - 2 p P: nine of 211.1^2 - 2 x 211.1 x 200, one of 200^2 - 2 x 200 x 300.
    """
    energy_j = np.concatenate([np.full(90, 20.0), np.full(10, 30.0)])
    nine, last = 1900 / 9, 200.0
    expected = 9 * (nine**2 - 2 * nine * 200) + last**2 - 2 * last * 300
    assert held_out_error(sums_of(np.full((100, 1), 0.1), energy_j), 0) == pytest.approx(expected, rel=1e-6)
