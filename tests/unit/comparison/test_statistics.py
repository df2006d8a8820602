import math
from statistics import fmean, stdev, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from llmdvfs.comparison.statistics import LogMean, Spread, holm, log_mean, log_ratio, mean_interval, usual_elsewhere
from llmdvfs.records.result import Estimate

positive = st.floats(min_value=1e-3, max_value=1e6)
samples = st.lists(positive, min_size=2, max_size=8)


def paired_ratio(pairs: list[tuple[float, float]]) -> Estimate:
    return log_mean([other / baseline for baseline, other in pairs]).interval()


def unpaired_ratio(baseline: list[float], other: list[float]) -> Estimate:
    return log_ratio(baseline, other).interval()


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


def test_a_variance_is_shrunk_to_what_is_usual_by_hand() -> None:
    """Two starts say little of their spread: what is usual of the metric says more, and counts for 2 degrees at most.

    Own variance 0.0011 with 1 degree of freedom; usual is 0.0002, known with 10, of which 10 / 3 is more than 2:
    (2 x 0.0002 + 1 x 0.0011) / 3 = 0.0005 with 3 degrees of freedom.
    """
    own = LogMean(0.0, Spread(0.0011, 1), 1 / 2)
    shrunk = own.shrunk(Spread(0.0002, 10))
    assert shrunk.spread == Spread(pytest.approx(0.0005), 3.0)
    # t(0.975, 3) = 3.182446 x sqrt(0.0005 / 2) = 0.0503189; alone t(0.975, 1) = 12.706205 x sqrt(0.0011 / 2) = 0.297987
    assert shrunk.interval().high == pytest.approx(math.exp(0.0503189), rel=1e-6)
    assert own.interval().high == pytest.approx(math.exp(0.297987), rel=1e-6)


def test_the_variance_of_starts_that_agree_by_luck_is_nine_tenths_of_the_usual_one_at_least() -> None:
    """The narrowest tenth of all intervals held the truth in 82 % of cases: where starts agree, that is mostly luck.

    (2 x 0.0008 + 2 x 0.0001) / 4 = 0.00045 is less than 0.9 x 0.0008 = 0.00072, which stands in its place.
    """
    shrunk = LogMean(0.0, Spread(0.0001, 2), 1 / 3).shrunk(Spread(0.0008, 10))
    assert shrunk.spread == Spread(pytest.approx(0.00072), 4.0)


def test_a_small_pool_counts_for_a_third_of_its_degrees_of_freedom() -> None:
    shrunk = LogMean(0.0, Spread(4.0, 2), 1 / 3).shrunk(Spread(2.5, 3))
    assert shrunk.spread == Spread(pytest.approx((1 * 2.5 + 2 * 4.0) / 3), pytest.approx(3.0))


def test_what_is_usual_by_hand() -> None:
    """Geometric means of the others, with 2 degrees each: ln(d/2) - digamma(d/2) is 0 + 0.5772157 for each of them.

    Of 0.01 and 0.0001 it is 0.001 x exp(0.5772157) = 0.00178107; a variance of 1 among them does not drown it.
    """
    usual = usual_elsewhere([Spread(1.0, 2), Spread(0.01, 2), Spread(0.0001, 2)])
    assert usual[0] == Spread(pytest.approx(0.00178107, rel=1e-5), 4.0)
    assert usual[1] == Spread(pytest.approx(0.0178107, rel=1e-5), 4.0)


def test_what_does_not_vary_says_nothing_of_the_others() -> None:
    """A share of 100 % in all launches has no logarithm of its variance; one that differs in the last digit neither."""
    assert usual_elsewhere([Spread(0.01, 2), Spread(0.0, 2), None, Spread(1e-32, 2)])[0] is None
    assert usual_elsewhere([Spread(0.01, 2), Spread(0.0, 2), None])[1] == Spread(pytest.approx(0.0178107, rel=1e-5), 2)
    assert usual_elsewhere([]) == []


def test_without_a_pool_nothing_is_shrunk() -> None:
    alone = LogMean(0.1, Spread(0.01, 2), 1 / 3)
    assert alone.shrunk(None) == alone
    assert LogMean(0.1, None, 1.0).shrunk(Spread(0.01, 2)).interval().low is None


def test_p_values_by_hand() -> None:
    # 0.1 with standard error sqrt(0.0016 / 4) = 0.02 and 3 degrees of freedom: t = 5; 2 x P(T > 5) = 0.015392
    mean = LogMean(0.1, Spread(0.0016, 3), 1 / 4)
    assert mean.p_value() == pytest.approx(0.015392, abs=1e-6)
    # against 0.12: t = -1, P(T < -1) = 0.195501
    assert mean.p_not_below(0.12) == pytest.approx(0.195501, abs=1e-6)
    assert mean.p_not_above(0.12) == pytest.approx(1 - 0.195501, abs=1e-6)


def test_values_without_any_spread_have_no_p_value() -> None:
    """Launches that are all alike are no sample of anything: a share that is 100 % in all of them, say."""
    alike = LogMean(0.1, Spread(0.0, 2), 1 / 3)
    assert alike.p_value() is None
    assert (alike.p_not_above(0.0), alike.p_not_below(0.0)) == (0.0, 1.0)


def test_how_many_more_launches_by_hand() -> None:
    """Log ratios with sd 0.05: n = 3 gives a half width of 4.303 x 0.05 / sqrt(3) = 0.124.

    n = 6 gives 2.571 x 0.05 / sqrt(6) = 0.0525, n = 7 gives 2.447 x 0.05 / sqrt(7) = 0.0462: four more for 0.05.
    """
    mean = LogMean(0.0, Spread(0.0025, 2), 1 / 3)
    assert mean.num_more(0.05, 100) == 4
    assert mean.num_more(0.13, 100) == 0
    assert mean.num_more(1e-6, 100) == 100


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1 are 0.04, 0.06, 0.06, 0.04, and none may be below one before it.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


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
