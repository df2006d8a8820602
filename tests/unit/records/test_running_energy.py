"""The one sum of a counter, and of power, that analysis and figures use."""

import numpy as np

from llmdvfs.records.running_energy import counted_j, integrated_j


def test_a_counter_that_goes_back_takes_no_energy_back() -> None:
    """900 -> 950 J are 50; a driver that is loaded anew counts from 10 J on; 10 -> 40 J are 30 more."""
    np.testing.assert_array_equal(counted_j(np.array([900.0, 950.0, 10.0, 40.0])), [0.0, 50.0, 50.0, 80.0])


def test_power_is_integrated_by_trapezoids() -> None:
    """1 s at 100 W, then 2 s falling from 100 to 50 W."""
    np.testing.assert_array_equal(
        integrated_j(np.array([0.0, 1.0, 3.0]), np.array([100.0, 100.0, 50.0])), [0.0, 100.0, 250.0]
    )


def test_one_reading_is_no_energy_yet() -> None:
    assert counted_j(np.array([5.0])).tolist() == [0.0]
    assert integrated_j(np.array([5.0]), np.array([100.0])).tolist() == [0.0]
