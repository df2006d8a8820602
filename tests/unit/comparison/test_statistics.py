import math
from statistics import fmean, stdev, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from llmdvfs.comparison.statistics import mean_interval, paired_ratio, unpaired_ratio

positive = st.floats(min_value=1e-3, max_value=1e6)
samples = st.lists(positive, min_size=2, max_size=8)


def test_mean_interval_by_hand() -> None:
    # sd 1, n 3: t(0.975, 2 degrees of freedom) = 4.302653; half width 4.302653 / sqrt(3) = 2.484138
    estimate = mean_interval([1.0, 2.0, 3.0])
    assert estimate.value == 2.0
    assert estimate.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert estimate.high == pytest.approx(2 + 2.484138, abs=1e-6)


def test_one_server_start_has_no_interval() -> None:
    estimate = mean_interval([5.0])
    assert (estimate.value, estimate.low, estimate.high) == (5.0, None, None)
    assert estimate.reason == "one server start: no interval"


def test_nothing_measured_is_none_and_not_zero() -> None:
    assert mean_interval([]).value is None


@pytest.mark.parametrize(("n", "half_width"), [(3, 0.035), (5, 0.018), (8, 0.012)])
def test_paired_half_width_for_runs_that_vary_by_one_percent(n: int, half_width: float) -> None:
    """Server starts with an sd of 1 % on both sides: the interval that n of them buy is well known."""
    spread = math.sqrt(2) * 0.01  # sd of the difference of two logs
    logs = [spread * x for x in _unit_sd(n)]
    estimate = paired_ratio([(1.0, math.exp(log)) for log in logs])
    assert estimate.value == pytest.approx(1.0)
    assert estimate.high is not None
    assert math.log(estimate.high) == pytest.approx(half_width, abs=5e-4)


def test_pairing_removes_what_both_sides_share() -> None:
    """Launch 2 was twice as slow for both: paired, the ratio is exact; unpaired, it drowns."""
    baseline, other = [1.0, 2.0, 1.0], [1.5, 3.0, 1.5]
    paired = paired_ratio(list(zip(baseline, other, strict=True)))
    assert (paired.value, paired.low, paired.high) == pytest.approx((1.5, 1.5, 1.5))
    unpaired = unpaired_ratio(baseline, other)
    assert unpaired.value == pytest.approx(1.5)
    assert unpaired.low is not None
    assert unpaired.low < 1.0


def test_unpaired_interval_by_hand() -> None:
    # logs -1 %, 0, 1 % on both sides: standard error sqrt(2 x 1e-4 / 3) = 0.00816497, and Welch's degrees of freedom
    # are 4 for equal variances: t(0.975, 4) = 2.776445; half width 0.02266958
    side = [math.exp(-0.01), 1.0, math.exp(0.01)]
    estimate = unpaired_ratio(side, [2 * value for value in side])
    assert estimate.value == pytest.approx(2.0)
    assert estimate.low == pytest.approx(2 * math.exp(-0.02266958), rel=1e-6)
    assert estimate.high == pytest.approx(2 * math.exp(0.02266958), rel=1e-6)


def test_unequal_variances_by_hand() -> None:
    # logs 0, 0 against 0, 0.1, 0.2 (variance 0.01): standard error sqrt(0.01 / 3) = 0.05773503, all of it from the
    # second side, so 2 degrees of freedom: t(0.975, 2) = 4.30265273; half width 0.24841377 about 0.1
    estimate = unpaired_ratio([1.0, 1.0], [1.0, math.exp(0.1), math.exp(0.2)])
    assert estimate.low == pytest.approx(math.exp(0.1 - 0.24841377), rel=1e-8)
    assert estimate.high == pytest.approx(math.exp(0.1 + 0.24841377), rel=1e-8)


@pytest.mark.parametrize("value", [0.1, 7.0, 1e6])
def test_equal_values_have_an_interval_of_zero_width(value: float) -> None:
    """Three launches of one value have no spread; a t-test of them is 0 / 0 with a warning."""
    mean = mean_interval([value] * 3)
    assert (mean.low, mean.high) == (mean.value, mean.value)
    for ratio in (paired_ratio([(value, 2 * value)] * 3), unpaired_ratio([value] * 3, [2 * value] * 2)):
        assert (ratio.low, ratio.high) == (ratio.value, ratio.value)
        assert ratio.value == pytest.approx(2.0)


def test_values_that_differ_by_a_rounding_give_no_warning() -> None:
    """Warnings are errors here: 0.3 and 0.1 + 0.2 differ in the last digit alone, which scipy calls lost precision."""
    values = [0.3, 0.1 + 0.2, 0.3]
    assert mean_interval(values).high == pytest.approx(0.3)
    assert unpaired_ratio(values, values[1:]).high == pytest.approx(1.0)


@given(samples, samples)
def test_intervals_are_the_written_out_ones(a: list[float], b: list[float]) -> None:
    """The equations of docs/metrics.md#comparison, to 1e-9 of the values' size."""
    mean = mean_interval(a)
    half = float(stdtrit(len(a) - 1, 0.975)) * stdev(a) / math.sqrt(len(a))
    assert (mean.low, mean.high) == pytest.approx((fmean(a) - half, fmean(a) + half), rel=1e-9, abs=1e-9 * max(a))
    logs_a, logs_b = [math.log(x) for x in a], [math.log(x) for x in b]
    error_a, error_b = variance(logs_a) / len(a), variance(logs_b) / len(b)
    if error_a + error_b > 1e-20:  # below, the logs differ by roundings alone
        dof = (error_a + error_b) ** 2 / (error_a**2 / (len(a) - 1) + error_b**2 / (len(b) - 1))
        welch = float(stdtrit(dof, 0.975)) * math.sqrt(error_a + error_b)
        ratio, difference = unpaired_ratio(a, b), fmean(logs_b) - fmean(logs_a)
        assert [math.log(x) for x in (ratio.low, ratio.high) if x] == pytest.approx(
            [difference - welch, difference + welch], rel=1e-9, abs=1e-9
        )


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_value_without_a_logarithm_has_no_ratio(bad: float) -> None:
    assert paired_ratio([(1.0, bad), (1.0, 1.0)]).value is None
    assert "not above 0" in str(unpaired_ratio([bad], [1.0]).reason)


def test_a_side_without_values_has_no_ratio() -> None:
    assert unpaired_ratio([], [1.0]).reason == "not measured on both sides"


@given(samples, samples)
def test_swapping_the_sides_inverts_the_ratio(a: list[float], b: list[float]) -> None:
    forth, back = unpaired_ratio(a, b), unpaired_ratio(b, a)
    assert forth.value is not None
    assert back.value == pytest.approx(1 / forth.value)
    assert back.low == pytest.approx(1 / forth.high)  # type: ignore[operator]


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=8), st.floats(min_value=0.01, max_value=100))
def test_units_do_not_change_a_ratio(pairs: list[tuple[float, float]], scale: float) -> None:
    plain, scaled = paired_ratio(pairs), paired_ratio([(scale * a, scale * b) for a, b in pairs])
    assert scaled.value == pytest.approx(plain.value)
    assert scaled.low == pytest.approx(plain.low)


@given(samples)
def test_the_interval_holds_the_mean(values: list[float]) -> None:
    estimate = mean_interval(values)
    assert estimate.low is not None
    assert estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]


def _unit_sd(n: int) -> list[float]:
    """Return n values with mean 0 and sd 1 (n - 1 in its denominator)."""
    values = [index - (n - 1) / 2 for index in range(n)]
    sd = math.sqrt(sum(value**2 for value in values) / (n - 1))
    return [value / sd for value in values]
