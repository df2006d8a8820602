import pytest

from llmdvfs.analysis.distribution import distribution
from llmdvfs.records.result import Distribution


def test_five_values() -> None:
    """Squares of the deviations from 3: 4 + 1 + 0 + 1 + 4 = 10, over n - 1 = 4."""
    found = distribution([5.0, 1.0, 4.0, 2.0, 3.0])
    assert (found.n, found.mean, found.min, found.p50, found.max) == (5, 3.0, 1.0, 3.0, 5.0)
    assert found.sd == pytest.approx(2.5**0.5)
    assert found.p90 == pytest.approx(4.6)  # 0.9 x 4 = 3.6 steps from the lowest


def test_one_value_has_no_spread_and_none_has_nothing() -> None:
    assert distribution([2.0]).sd is None
    assert distribution([]) == Distribution(n=0)


def test_a_hundred_values_have_a_99th_percentile_and_99_have_not() -> None:
    """Of fewer nothing lies above it: what was printed as p99 of 30 requests was the slowest one."""
    assert distribution([float(i) for i in range(99)]).p99 is None
    assert distribution([float(i) for i in range(101)]).p99 == 99.0


def test_lower_bounds_enter_and_are_counted() -> None:
    found = distribution([1.0, 2.0], at_least=[6.0])
    assert (found.n, found.mean, found.max, found.num_at_least) == (3, 3.0, 6.0, 1)
