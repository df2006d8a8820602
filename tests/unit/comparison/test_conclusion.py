"""What a ratio is said to show, and what it takes to say it."""

from dataclasses import replace

import pytest
from fakes.records import fake_study
from unit.comparison.studies import compared, ttft_ratio, two_deployments

from llmdvfs.comparison.groups import compare
from llmdvfs.records.compared import FAMILY
from llmdvfs.records.comparison import MAX_MORE_LAUNCHES
from llmdvfs.records.comparison_text import baseline_pairs, ratio_text


def test_a_clear_difference_is_better_or_worse_by_the_metric() -> None:
    slower = ttft_ratio(two_deployments([1.0, 1.01, 0.99], [2.0, 2.01, 1.99]))
    faster = ttft_ratio(two_deployments([1.0, 1.01, 0.99], [0.5, 0.51, 0.49]))
    assert (slower.conclusion, faster.conclusion) == ("worse", "better")
    assert (slower.num_more_launches, faster.num_more_launches) == (None, None)


def test_equal_within_the_margin_by_hand() -> None:
    """Logs of the ratios -0.01, 0, 0.01: mean 0, standard error 0.01 / sqrt(3) = 0.0057735, 2 degrees of freedom.

    To either end of the margin, ln 1.05 = 0.0487902, are 8.4507 standard errors: one-sided p = 0.00686.
    """
    ratio = ttft_ratio(two_deployments([1.0, 1.0, 1.0], [0.99005, 1.0, 1.01005]))
    assert ratio.equal_p_value == pytest.approx(0.00686, abs=2e-5)
    assert ratio.conclusion == "equal"
    assert ratio_text(ratio).endswith("= equal")


def test_no_loss_is_said_where_only_the_gain_is_open() -> None:
    """Ratios of 0.94, 0.99 and 0.95: certainly not 5 % slower, perhaps faster by more than 5 %, not surely faster."""
    ratio = ttft_ratio(two_deployments([1.0, 1.0, 1.0], [0.94, 0.99, 0.95]))
    assert ratio.equal_p_value is not None
    assert ratio.equal_p_value > 0.05
    assert ratio.conclusion == "no_loss"


def test_what_is_open_says_about_how_many_more_launches_would_tell() -> None:
    """Log ratios 0, 0.1, 0.2: mean 0.1, variance 0.01.

    A half width of 0.1 takes n = 6: t(0.975, 5) x 0.1 / sqrt(6) = 2.5706 x 0.040825 = 0.1049 is still more,
    n = 7: 2.4469 x 0.037796 = 0.0925 is less: 4 more than the three.
    """
    ratio = ttft_ratio(two_deployments([1.0, 1.0, 1.0], [1.0, 1.1051709, 1.2214028]))
    assert (ratio.conclusion, ratio.num_more_launches) == ("undecided", 4)


def test_launches_that_differ_by_factors_give_no_conclusion() -> None:
    """381, 650 and 2418 ms were printed as 1150 +- 2750 ms, and their ratio with three digits."""
    ratio = ttft_ratio(two_deployments([1.0, 1.0, 1.0], [0.381, 0.65, 2.418]))
    assert ratio.conclusion == "no_conclusion"
    assert ratio_text(ratio) == "launches differ 6.3x: no conclusion"
    assert ratio.num_more_launches is not None
    assert ratio.num_more_launches <= MAX_MORE_LAUNCHES


def test_two_launches_claim_no_difference_however_clear_it_looks() -> None:
    """With one start in ten 2 to 4 times slow, 9.4 % of studies of equal deployments claimed a difference at n = 2."""
    two = ttft_ratio(two_deployments([1.0, 1.0001], [2.0, 2.0001]))
    assert two.p_value is not None
    assert two.p_value < 1e-3
    assert (two.conclusion, two.num_more_launches) == ("undecided", 1)
    assert ratio_text(two).endswith(" ~")
    assert "not significant with 2 launches" in compared(two_deployments([1.0, 1.0001], [2.0, 2.0001])).verdict[0]
    assert ttft_ratio(two_deployments([1.0, 1.0001, 1.0], [2.0, 2.0001, 2.0])).conclusion == "worse"


def test_one_launch_shows_nothing() -> None:
    ratio = ttft_ratio(two_deployments([1.0], [2.0]))
    assert (ratio.conclusion, ratio.p_value, ratio.ratio.value) == (None, None, pytest.approx(2.0))


def test_the_ratio_and_its_means_are_of_the_same_launches() -> None:
    """Launch 3 of one side was missing: the mean was of three launches, the ratio of two, and nothing said so."""
    ratio = ttft_ratio(two_deployments([1.0, 1.0, 8.0], [2.0, 3.0]))
    assert (ratio.n_baseline, ratio.baseline_mean) == (2, pytest.approx(1.0))
    assert ratio.other_mean == pytest.approx(6**0.5)
    assert ratio.ratio.value == pytest.approx(6**0.5)


def test_a_doubtful_launch_counts_and_its_weight_is_told() -> None:
    """A launch known to be bad widened an interval from x1.09 to x3.95: with and without it are both there."""
    ratio = ttft_ratio(two_deployments([1.0, 1.0, 1.0], [1.10, 1.11, 4.0], bad_launches=[3]))
    assert ratio.n_other == 3
    assert ratio.ratio.value == pytest.approx((1.10 * 1.11 * 4.0) ** (1 / 3))
    assert ratio.without_doubtful is not None
    assert ratio.without_doubtful.value == pytest.approx((1.10 * 1.11) ** 0.5)
    assert ttft_ratio(two_deployments([1.0, 1.0], [1.1, 1.2])).without_doubtful is None
    assert ttft_ratio(two_deployments([1.0, 1.0], [1.1, 1.2], bad_launches=[1, 2])).without_doubtful is None


def test_p_values_are_adjusted_over_all_ratios_that_tables_claim() -> None:
    """With 18 to 72 intervals a study, 46-88 % of studies of equal deployments had one that excluded 1."""
    record = compared(fake_study(gpu=True))
    family = [
        ratio
        for group in record.groups
        for pair in baseline_pairs(group)
        for name, ratio in pair.ratios.items()
        if name in FAMILY and ratio.p_value is not None
    ]
    assert record.family_size == len(family) > 15
    smallest = min(family, key=lambda ratio: ratio.p_value or 1.0)
    assert smallest.adjusted_p_value == pytest.approx((smallest.p_value or 0.0) * record.family_size)
    for ratio in family:
        assert (ratio.conclusion in ("better", "worse")) == ((ratio.adjusted_p_value or 0.0) < 0.05)
    power = record.groups[0].pairs[0].ratios["mean_power_w"]
    assert power.adjusted_p_value is None  # it describes the run, and claims nothing


def test_unlike_things_are_related_where_that_is_asked_and_the_list_stays() -> None:
    cells = two_deployments([1.0, 1.0], [2.0, 2.0])
    cells = [
        replace(cell, run=replace(cell.run, hardware={"cpu_model": "another"}))
        if cell.run.deployment.architecture == "disaggregated"
        else cell
        for cell in cells
    ]
    results, runs = [cell.result for cell in cells], [cell.run for cell in cells]
    [refused] = compare(results, runs).groups[0].pairs
    [asked] = compare(results, runs, unlike=True).groups[0].pairs
    assert refused.ratios == {}
    assert asked.ratios["ttft_p50_s"].ratio.value == pytest.approx(2.0)
    assert asked.caveats[0].startswith("unlike, and compared because that was asked: machine: cpu model a made-up CPU")
    assert any("machine" in text for text in asked.varied)
    assert "workload concurrent" in asked.held_equal
    assert any(text.startswith("architecture: single against disaggregated") for text in asked.varied)
