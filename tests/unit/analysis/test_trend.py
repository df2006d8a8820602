"""Trends and stalls worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from llmdvfs.analysis.axis.mann_kendall import mann_kendall_p
from llmdvfs.analysis.axis.stall import find_stall
from llmdvfs.analysis.axis.trend import trend


def test_a_series_in_steps_has_the_drift_of_its_line() -> None:
    """9, 9, 8, 7, 6, 6: the deviations' products sum to -12.5, the positions' squares to 17.5: slope -0.714.

    Over six values that is -4.29, of a mean of 7.5. The residuals' squares sum to 0.571, so the slope's standard error
    is sqrt(0.571 / 4 / 17.5) = 0.0904, and the 95 % point of t with 4 degrees of freedom is 2.132.
    """
    found = trend(np.array([9.0, 9.0, 8.0, 7.0, 6.0, 6.0]))
    assert found.drift == pytest.approx(-12.5 / 17.5 * 6 / 7.5)
    assert found.error == pytest.approx(2.132 * 0.0904 * 6 / 7.5, rel=2e-3)
    assert found.largest_drift == pytest.approx(-found.drift + found.error)
    assert found.p_value < 0.05


def test_equal_values_have_no_trend() -> None:
    found = trend(np.full(8, 3.0))
    assert (found.p_value, found.drift, found.error) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(("pause_s", "is_stall"), [(4.9, False), (5.1, True)])
def test_five_times_its_neighbours_is_a_stall(pause_s: float, is_stall: bool) -> None:
    """Tokens every second, sixteen before the pause and sixteen behind it, in a window that ends with the last one."""
    before = np.arange(16.0)
    token_s = np.concatenate((before, before + 15.0 + pause_s))
    assert (find_stall(token_s, 0.0, float(token_s.max())) is not None) == is_stall


def test_a_short_stall_changes_nothing() -> None:
    """0.4 s in a stream of 10 ms gaps is 40 times its neighbours, and 4 % of 10 s."""
    token_s = np.concatenate((np.arange(0, 4.8, 0.01), np.arange(5.2, 10.0, 0.01)))
    assert find_stall(token_s, 0.0, 10.0) is None


@pytest.mark.parametrize(("num_tokens", "is_stall"), [(28, False), (29, True)])
def test_too_few_tokens_tell_of_no_stall(num_tokens: int, is_stall: bool) -> None:
    """Tokens at 0, 0.1 ... and then nothing until 100 s: with the two edges one gap more than tokens."""
    assert (find_stall(0.1 * np.arange(num_tokens), 0.0, 100.0) is not None) == is_stall


def test_three_values_have_six_orders() -> None:
    """Of the six orders one only rises and one only falls: p = 2/6; the others are halfway."""
    assert mann_kendall_p(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / 3)
    assert mann_kendall_p(np.array([1.0, 3.0, 2.0])) == 1.0


@pytest.mark.parametrize("ties", [False, True])
def test_the_test_is_the_one_of_scipy(ties: bool) -> None:
    rng = np.random.default_rng(1)
    for n in (3, 4, 5, 8, 13, 20):
        for slope in (0.0, 0.1, 1.0):
            values = rng.normal(slope * np.arange(n), 1.0)
            if ties:
                values = np.append(np.round(values[:-1]), np.round(values[0]))
            if np.ptp(values) == 0:
                continue
            expected = stats.kendalltau(np.arange(n), values).pvalue
            assert mann_kendall_p(values) == pytest.approx(expected, rel=1e-9)


def test_the_line_is_the_one_of_scipy() -> None:
    values = np.random.default_rng(2).normal(10.0, 1.0, 17)
    line = stats.linregress(np.arange(17), values)
    found = trend(values)
    assert found.drift == pytest.approx(line.slope * 17 / values.mean(), rel=1e-9)
    assert found.error == pytest.approx(stats.t.ppf(0.95, 15) * line.stderr * 17 / values.mean(), rel=1e-9)
