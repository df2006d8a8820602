import numpy as np

from llmdvfs.analysis.energy.cross_validation import _solve


def test_without_readings_outside_the_held_out_block_there_is_no_power_and_no_error() -> None:
    """A cell of one block of readings ended its analysis: the fit without that block had nothing to solve."""
    assert list(_solve(np.zeros((2, 2)), np.zeros(2))) == [0.0, 0.0]


def test_powers_solve_the_normal_equations() -> None:
    """2 s of prefill at 600 W and 4 s of decode at 400 W, each by itself."""
    power_w = _solve(np.diag([2.0, 4.0]), np.array([1200.0, 1600.0]))
    assert np.allclose(power_w, [600.0, 400.0], rtol=1e-6)
