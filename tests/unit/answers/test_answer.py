"""Answers from made-up cells whose best clock is known."""

import math
from dataclasses import replace

import pytest
from fakes.sweeps import cell, sweep

from llmdvfs.answers.answer import answer, answers
from llmdvfs.answers.axis import axes
from llmdvfs.answers.limits import within_limits
from llmdvfs.answers.recommend import recommend
from llmdvfs.answers.words import explain, table
from llmdvfs.records.answers import Answer
from llmdvfs.records.point import AppliedPoint, OperatingPoint
from llmdvfs.records.spec import SloSpec

# Joules and seconds a token: the lowest energy is at 1200 MHz, the fastest within 2 % of it at 1400, in 5 % at 1600.
ENERGY = {1000: 0.85, 1200: 0.80, 1400: 0.81, 1600: 0.835, 1800: 0.90, None: 1.0}
TIME = {1000: 0.015, 1200: 0.013, 1400: 0.012, 1600: 0.011, 1800: 0.0105, None: 0.010}


def flags(found: Answer) -> dict[str, str]:
    return {flag.name: flag.text for flag in found.flags}


def test_rules_take_the_lowest_and_the_fastest_near_it() -> None:
    found = answer(sweep(ENERGY, TIME))
    taken = {choice.rule: choice.point for choice in found.choices}
    assert taken["lowest_energy"] == "clock-1200"
    assert taken["fastest_within_2_percent"] == "clock-1400"  # 0.81 <= 0.80 x 1.02 = 0.816
    assert taken["fastest_within_5_percent"] == "clock-1600"  # 0.835 <= 0.84
    assert taken["within_limits"] is None
    lowest = found.choices[0]
    assert lowest.saving.value == pytest.approx(0.20)
    assert lowest.slowdown.value == pytest.approx(0.30)
    assert lowest.saving.low == pytest.approx(0.20)  # the launches' common 1 % is taken out by pairing
    assert lowest.basis == "left_out_launches"


def test_intervals_are_students_over_launches() -> None:
    """Log ratios 0.00, 0.02, 0.04: mean 0.02, sd 0.02, half = 4.3027 x 0.02 / sqrt(3) = 0.04968."""
    cells = [cell(None, launch, 1.0, 0.01) for launch in (1, 2, 3)]
    cells += [cell(1200, launch, math.exp(0.02 * (launch - 1)), 0.01) for launch in (1, 2, 3)]
    ratio = answer(cells).points[0].energy_ratio
    assert ratio.value == pytest.approx(math.exp(0.02))
    assert ratio.low == pytest.approx(math.exp(0.02 - 0.04968), rel=1e-4)
    assert ratio.high == pytest.approx(math.exp(0.02 + 0.04968), rel=1e-4)


def test_stock_alone_recommends_nothing() -> None:
    """A clock that could not be set ran at stock: its figures are those of stock, whatever its name."""
    cells = [cell(None, 1, 1.0, 0.01), cell(1200, 1, 0.5, 0.01, state="not_permitted")]
    record = answers(cells)
    assert record.answers == ()
    assert "stock alone" in record.refused[0]
    assert "clock-1200" in record.refused[0]
    assert recommend(record, cells).recommendations == ()


def test_a_point_that_was_not_applied_never_wins() -> None:
    refused = [cell(600, launch, 0.1, 0.001, state="refused") for launch in (1, 2, 3)]
    found = answer(sweep(ENERGY, TIME) + refused)
    assert found.choices[0].point == "clock-1200"
    assert "clock-600" in flags(found)["not_applied"]


def test_no_answer_without_stock() -> None:
    cells = [each for each in sweep(ENERGY, TIME) if each[1].point.asks_for_something]
    assert "stock was not measured" in answers(cells).refused[0]


def test_edge_says_to_where_the_grid_must_go() -> None:
    """The lowest of 1200, 1400, 1600 is the best: two steps of 200 MHz further down is 800."""
    energy = {1200: 0.80, 1400: 0.85, 1600: 0.9, None: 1.0}
    assert "to 800 MHz" in flags(answer(sweep(energy, TIME)))["edge"]


def test_the_upper_end_is_no_edge_where_stock_lies_beyond_it_and_costs_more() -> None:
    energy = {1200: 0.95, 1400: 0.85, 1600: 0.80, None: 1.0}
    assert "edge" not in flags(answer(sweep(energy, TIME)))


def test_a_clock_that_was_not_held_is_said() -> None:
    """Asked 1800 MHz, and the power limit held the board at 1500: a label, not a clock."""
    cells = sweep(ENERGY, TIME)
    cells += [cell(1900, launch, 0.95, 0.0102, held_mhz=1500.0) for launch in (1, 2, 3)]
    text = flags(answer(cells))["cap_bound"]
    assert "clock-1900" in text
    assert "1500 MHz" in text
    assert "cap_bound" not in flags(answer(sweep(ENERGY, TIME)))


def test_a_ceiling_is_no_lock() -> None:
    """Under `..1900` the clock may be 1500 MHz: nothing is wrong with it. Nor does it stand in the row of locks."""
    cells = sweep(ENERGY, TIME)
    for launch in (1, 2, 3):
        result, run = cell(1900, launch, 0.95, 0.0102, held_mhz=1500.0, name="ceiling")
        cells.append((result, replace(run, point=replace(run.point, sm_clock_min_mhz={"single": 0}))))
    assert "cap_bound" not in flags(answer(cells))
    (row,) = axes({run.point.id: run.point for _, run in cells}.values(), ["single"])
    assert [name for _, name in row.points] == [f"clock-{mhz}" for mhz in (1000, 1200, 1400, 1600, 1800)]


def test_a_recommended_ceiling_is_set_as_a_range() -> None:
    """0.5 J at the ceiling is the lowest; how low the GPU goes is known from the cell, whose setting is on its grid."""
    cells = sweep({1200: 0.8, None: 1.0}, {1200: 0.013, None: 0.010})
    for launch in (1, 2, 3):
        result, run = cell(1410, launch, 0.5, 0.0102, name="ceiling")
        point = replace(run.point, sm_clock_min_mhz={"single": 0})
        setting = replace(point.of_gpus({"single": [0]})[0], sm_clock_min_mhz=345)
        cells.append((result, replace(run, point=point, applied=AppliedPoint("applied", (setting,)))))
    (recommendation,) = recommend(answers(cells), cells).recommendations
    assert recommendation.apply == ("nvidia-smi -i 0 --lock-gpu-clocks=345,1410",)


def test_ties_are_told_as_ties_and_a_flat_bottom_as_flat() -> None:
    """1200 and 1600 MHz swap places by 1 % from launch to launch; 1000 and 1800 cost 10 % more in each."""
    cells = []
    for launch, wobble in ((1, 0.01), (2, -0.01), (3, 0.005)):
        cells += [cell(None, launch, 1.0, 0.010), cell(1000, launch, 0.88, 0.015), cell(1800, launch, 0.88, 0.0105)]
        cells += [cell(1200, launch, 0.80 * (1 + wobble), 0.013), cell(1600, launch, 0.80 * (1 - wobble), 0.011)]
    found = answer(cells)
    assert {point.point.id for point in found.points if point.ties_with_best} == {"clock-1200", "clock-1600"}
    assert "1200, 1600 MHz" in flags(found)["flat"]


def test_a_clear_best_is_neither_tied_nor_flat() -> None:
    found = answer(sweep(ENERGY, TIME))
    assert [point.point.id for point in found.points if point.ties_with_best] == ["clock-1200"]
    assert "flat" not in flags(found)


def test_one_launch_tells_nothing_apart_and_is_unconfirmed() -> None:
    found = answer([each for each in sweep(ENERGY, TIME) if each[1].cell.launch == 1])
    assert all(point.ties_with_best for point in found.points)
    assert found.choices[0].saving.low is None
    assert "unconfirmed" in flags(found)


def test_confirming_launches_give_the_saving() -> None:
    """Launches 4 and 5 measured only the chosen point and stock: 0.84 there, so 16 %, not the 20 % that chose it."""
    cells = sweep(ENERGY, TIME)
    for launch in (4, 5):
        cells += [cell(None, launch, 1.0, 0.010), cell(1200, launch, 0.84, 0.013)]
    lowest = answer(cells).choices[0]
    assert lowest.basis == "confirming_launches"
    assert lowest.saving.value == pytest.approx(0.16)


def test_limits_are_judged_by_the_upper_bound() -> None:
    """TPOT of 12.9, 13.0, 13.1 ms: mean 13.0, one-sided bound 13.0 + 2.92 x 0.1 / sqrt(3) = 13.17, over 13.1."""
    slo = SloSpec(tpot_s=0.0131)
    cells = []
    for launch in (1, 2, 3):
        cells += [cell(None, launch, 1.0, 0.010, slo=slo), cell(1400, launch, 0.81, 0.012, slo=slo)]
        cells += [cell(1200, launch, 0.80, 0.0128 + 0.0001 * launch, slo=slo)]
    found = answer(cells)
    by_id = {point.point.id: point for point in found.points}
    assert by_id["clock-1200"].within_limits is False
    assert "13.17 ms" in (by_id["clock-1200"].limits_reason or "")
    assert {choice.rule: choice.point for choice in found.choices}["within_limits"] == "clock-1400"


def test_no_point_within_limits_is_no_recommendation() -> None:
    slo = SloSpec(tpot_s=0.001)
    cells = [cell(clock, launch, 1.0, 0.01, slo=slo) for clock in (None, 1200) for launch in (1, 2)]
    record = answers(cells)
    assert recommend(record, cells).recommendations == ()
    assert "nothing is recommended" in explain(record)


def test_drift_is_seen_by_stock_measured_twice() -> None:
    """Stock costs 3 % more at the end of each launch than at its begin."""
    cells = sweep(ENERGY, TIME)
    noise = {1: 0.99, 2: 1.0, 3: 1.01}
    cells += [cell(None, k, 1.03 * noise[k], 0.010, order=9, name="stock-again") for k in (1, 2, 3)]
    assert "+3.0%" in flags(answer(cells))["drift"]
    assert "drift" not in flags(answer(sweep(ENERGY, TIME)))


def test_where_stock_is_best_the_clocks_are_left_alone() -> None:
    cells = sweep({1200: 1.2, 1400: 1.1, None: 1.0}, TIME)
    record = answers(cells)
    assert recommend(record, cells).recommendations == ()
    assert "leave the clocks alone" in explain(record)


def test_pareto_set_leaves_out_what_is_slower_and_dearer() -> None:
    """1000 MHz is slower than 1200 and costs more; every other point is cheaper or faster than its neighbour."""
    found = answer(sweep(ENERGY, TIME))
    assert {point.point.id for point in found.points if not point.pareto} == {"clock-1000"}


def test_a_recommendation_carries_commands_that_set_and_undo_it() -> None:
    cells = sweep(ENERGY, TIME)
    recommendation = recommend(answers(cells), cells).recommendations[0]
    assert recommendation.point.id == "clock-1600"
    assert recommendation.apply == ("nvidia-smi -i 0 --lock-gpu-clocks=1600,1600",)
    assert recommendation.undo == ("nvidia-smi -i 0 --reset-gpu-clocks",)


def test_words_say_the_clock_its_saving_and_where_the_figure_is_from() -> None:
    record = answers(sweep(ENERGY, TIME))
    assert "run it at clock-1600, the fastest within 5 % of the lowest energy of the 6 points measured" in explain(
        record
    )
    assert "saves 16.5%" in explain(record)
    assert "each launch judged the choice that the others made" in table(record)


def test_a_fast_point_that_turns_out_dearer_than_its_rule_allows_is_said() -> None:
    """1400 MHz was 1.25 % above 1200 MHz when it was chosen; in launches 4 and 5 it is 0.84 / 0.80 = 5 % above."""
    cells = sweep(ENERGY, TIME)
    for launch in (4, 5):
        cells += [cell(None, launch, 1.0, 0.010), cell(1200, launch, 0.80, 0.013), cell(1400, launch, 0.84, 0.012)]
    texts = [flag.text for flag in answer(cells).flags if flag.name == "unconfirmed"]
    assert ["fastest within 2%" in text and "5.0% more than clock-1200" in text for text in texts] == [True]


def test_a_search_whose_launches_have_no_point_in_common_but_stock_is_answered() -> None:
    """Each round has launches of its own: 1000 and 1400 MHz in the first, 1200 in the second, 1200 again to confirm."""
    cells = [cell(None, launch, 1.0, 0.010) for launch in (1, 2, 3, 4)]
    cells += [cell(1000, 1, 0.85, 0.015), cell(1400, 1, 0.83, 0.012)]
    cells += [cell(1200, launch, energy, 0.013) for launch, energy in ((2, 0.80), (3, 0.82), (4, 0.82))]
    found = answer(cells)
    assert (found.choices[0].point, found.choices[0].basis) == ("clock-1200", "confirming_launches")
    assert found.choices[0].saving.value == pytest.approx(0.18)


def test_a_point_without_stock_in_its_launch_has_no_answer() -> None:
    cells = [cell(None, 1, 1.0, 0.01), cell(1200, 1, 0.8, 0.01), cell(1400, 2, 0.9, 0.01)]
    assert "no launch has stock and clock-1400" in answers(cells).refused[0]


def test_limits_of_one_launch_are_not_called_broken() -> None:
    """TPOT of one launch is 8 ms and the limit 9 ms: without a bound nothing is known, and nothing is out."""
    slo = SloSpec(tpot_s=0.009)
    record = answers([cell(clock, 1, 1.0, 0.008, slo=slo) for clock in (None, 1200)])
    assert "breaks a limit" not in table(record)
    assert "limit not judged" in table(record)
    assert (
        "Of clock-1200, stock it cannot be told whether they keep the limits: TPOT p99 is known of 1 of 1 launches"
        in (explain(record))
    )


def test_limits_of_short_windows_are_not_called_broken() -> None:
    """A window of 36 requests has no p99, in however many launches: all points "broke" a limit of 2 s at 0.1 s."""
    slo = SloSpec(tpot_s=2.0)
    cells = [cell(clock, launch, 1.0, 0.1, slo=slo) for clock in (None, 1200) for launch in (1, 2, 3)]
    short = [
        (replace(result, latency=replace(result.latency, tpot_s=replace(result.latency.tpot_s, p99=None))), run)
        for result, run in cells
    ]
    record = answers(short)
    assert [(point.within_limits, point.breaks_a_limit) for point in record.answers[0].points] == [(False, False)] * 2
    assert "breaks a limit" not in table(record)
    assert "TPOT p99 is known of 0 of 3 launches (it takes 100 requests in the window)" in explain(record)
    assert recommend(record, short).recommendations == ()


def test_a_broken_limit_counts_before_one_that_cannot_be_judged() -> None:
    slo = SloSpec(ttft_s=1.0, tpot_s=0.01)
    kept = within_limits(slo, {"tpot_s": [0.02, 0.02]}, 2)
    assert (kept.is_within, kept.is_judged, kept.reason) == (
        False,
        True,
        "TPOT p99 is up to 20 ms (95 % bound), limit 10 ms",
    )


def test_a_clock_that_was_not_held_is_never_chosen() -> None:
    """Asked 1900 MHz and held at 1500 it is the lowest by luck: to set it would be to set what no GPU runs."""
    cells = sweep(ENERGY, TIME)
    cells += [cell(1900, launch, 0.79, 0.0102, held_mhz=1500.0) for launch in (1, 2, 3)]
    assert "clock-1900" not in {choice.point for choice in answer(cells).choices}


def test_a_saving_that_cannot_be_told_from_nothing_is_not_recommended() -> None:
    """ln(1200 / stock) = -0.03, 0.01, -0.01 over three launches: mean -1 %, half 4.30 x 0.02 / sqrt(3) = 5 %."""
    cells = [cell(None, launch, 1.0, 0.010) for launch in (1, 2, 3)]
    cells += [cell(1200, launch, math.exp(x), 0.009) for launch, x in ((1, -0.03), (2, 0.01), (3, -0.01))]
    record = answers(cells)
    assert record.answers[0].choices[2].point == "clock-1200"
    assert recommend(record, cells).recommendations == ()
    assert "saves cannot be told from nothing" in explain(record)


def test_a_row_of_points_for_all_architectures_is_named_by_the_roles_that_there_are() -> None:
    """`core_clocks` sets all roles: of one instance it was told that "decode+prefill+single 900 MHz" is an edge."""
    points = [
        OperatingPoint(f"core-{clock}", dict.fromkeys(("prefill", "decode", "single"), clock)) for clock in (900, 1395)
    ]
    rows = [(row.roles, row.points) for row in axes(points, ["single"])]
    assert rows == [(("single",), ((900, "core-900"), (1395, "core-1395")))]
    assert {row.roles for row in axes(points, ["prefill", "decode"])} == {("decode", "prefill")}
