"""The search on truths whose lowest clock is known."""

import math

import numpy as np
import pytest

from llmdvfs.answers.search import (
    Found,
    Measure,
    Tried,
    _what_more_costs,
    first_round,
    lowest_by_parabola,
    next_step,
    second_round,
)
from llmdvfs.records.search import ClockRange

H100 = ClockRange(210, 1980)


def parabola(clock_mhz: int, lowest_mhz: float = 1200.0) -> float:
    """Return an energy whose logarithm is a parabola of ln f, lowest (0.8) at 1200 MHz."""
    return 0.8 * math.exp(0.6 * math.log(clock_mhz / lowest_mhz) ** 2)


def test_the_first_round_spans_the_range() -> None:
    """210 + 442.5 k, on the grid of 15 MHz: 652.5 -> 660 or 645, 1095, 1537.5 -> 1530 or 1545."""
    clocks = first_round(H100)
    assert len(clocks) == 5
    assert (clocks[0], clocks[-1]) == (210, 1980)
    assert all((clock - 210) % 15 == 0 for clock in clocks)


def test_the_second_round_is_within_40_percent_of_the_best_and_leaves_out_what_is_known() -> None:
    """Around 1095 MHz, the lowest of 210, 660, 1095, 1530, 1980: 657 to 1533 in steps of 175, whose ends are known."""
    tried = [Tried(clock, parabola(clock)) for clock in first_round(H100)]
    assert second_round(tried, H100) == (825, 1005, 1185, 1365)


def test_a_measured_clock_close_by_spares_one_of_the_second_round() -> None:
    """Around 1155 MHz 693 to 1617 in steps of 185: 750 and 1575 are within a third of a step of its ends."""
    allowed = ClockRange(345, 1980)
    tried = [Tried(clock, parabola(clock)) for clock in first_round(allowed)]
    assert [cell.clock_mhz for cell in tried] == [345, 750, 1155, 1575, 1980]
    assert second_round(tried, allowed) == (885, 1065, 1245, 1425)


def test_the_ends_of_the_second_round_belong_to_its_parabola() -> None:
    """They were left out where the grid put them beyond the fraction: of five clocks three, and no bound, for ever."""
    clocks = (885, 1065, 1245, 1425)  # and 1155 MHz, the lowest: 0.6 x 1155 = 693 is on the grid at 690
    found = lowest_by_parabola([Tried(clock, parabola(clock, 1155)) for clock in (690, *clocks, 1155)], H100)
    assert found.near_mhz[0] >= 690
    three = [Tried(690, parabola(690, 1155)), Tried(1155, 0.8), Tried(1245, parabola(1245, 1155))]
    assert math.isfinite(lowest_by_parabola([*three, Tried(1620, parabola(1620, 1155))], H100).regret_bound)


def test_without_noise_two_rounds_find_the_bottom() -> None:
    tried: list[Tried] = []
    for _ in range(2):
        step = next_step(tried, H100)
        assert isinstance(step, Measure)
        tried += [Tried(clock, parabola(clock)) for clock in step.clocks_mhz]
    found = next_step(tried, H100)
    assert isinstance(found, Found)
    assert found.clock_mhz == pytest.approx(1200, abs=15)
    assert found.regret_bound < 0.001


def test_a_falling_curve_ends_at_the_end_of_the_range() -> None:
    found = lowest_by_parabola([Tried(clock, 1000 / clock) for clock in range(1500, 1981, 60)], H100)
    assert found.clock_mhz == 1980


def test_noise_widens_the_bound_and_asks_for_more() -> None:
    rng = np.random.default_rng(1)
    tried = [Tried(clock, parabola(clock) * math.exp(rng.normal(0, 0.05))) for clock in range(960, 1441, 60)]
    step = next_step(tried, H100, target=0.01)
    assert isinstance(step, Measure)
    assert "regret bound" in step.reason


def test_the_search_gives_up_at_its_limit_and_says_so() -> None:
    rng = np.random.default_rng(1)
    tried = [Tried(clock, parabola(clock) * math.exp(rng.normal(0, 0.2))) for clock in range(960, 1441, 15)]
    step = next_step(tried, H100, target=0.001, max_cells=20)
    assert isinstance(step, Found)
    assert "lengthen duration_s" in (step.reason or "")


def test_what_more_costs_goes_with_the_square_of_the_bound() -> None:
    """Twice the target after 20 cells: four times as many are needed, 60 more."""
    assert (
        _what_more_costs(20, 0.02, 0.01)
        == "20 cells are spent; about 60 more would bring the bound from 2.0% under 1.0%"
    )


def test_a_range_without_further_clocks_ends_the_search() -> None:
    """300, 510, 720, 930: within 40 % of 720 there is no other, so nothing new can be measured and no bound be had."""
    coarse = ClockRange(300, 930, 210)
    step = next_step([Tried(clock, parabola(clock, 700)) for clock in (300, 510, 720, 930)], coarse)
    assert isinstance(step, Found)
    assert step.clock_mhz == 720
    assert "no further clock" in (step.reason or "")


def test_two_clocks_have_no_bound() -> None:
    assert lowest_by_parabola([Tried(900, 0.9), Tried(1000, 0.8)], H100).regret_bound == math.inf


def test_snapping_stays_on_the_grid_and_inside() -> None:
    assert H100.snapped(1207) == 1200  # 210 + 66 x 15 = 1200; 1215 is farther
    assert H100.snapped(50) == 210
    assert H100.snapped(5000) == 1980
