"""Launches beside neighbours against launches alone."""

from dataclasses import replace

from fakes.records import MeasuredCell, Toy, fake_cell
from unit.comparison.test_comparison import compared, with_run

from llmdvfs.comparison.neighbours import disturbed


def at(launch: int, tpot_s: float, *, beside: bool) -> MeasuredCell:
    cell = fake_cell(Toy("single", launch=launch, gpu=True, duration_s=0.5))
    latency = cell.result.latency
    latency = replace(latency, tpot_s=replace(latency.tpot_s, mean=tpot_s), ttft_s=replace(latency.ttft_s, p50=0.1))
    energy = replace(cell.result.energy, energy_per_output_token_j=0.2)
    return with_run(replace(cell, result=replace(cell.result, latency=latency, energy=energy)), side_by_side=beside)


def told(*cells: MeasuredCell) -> list[str]:
    return list(disturbed([(cell.result, cell.run) for cell in cells]))


def test_a_difference_above_three_percent_is_told_with_its_metric() -> None:
    """10 ms alone; 10.5 ms beside neighbours is 1.050 of it, and nothing else has moved."""
    (text,) = told(at(1, 0.010, beside=False), at(2, 0.0105, beside=True), at(3, 0.0105, beside=True))
    assert "TPOT is 1.050 of what it is alone (n = 2 and 1; expected within 3 % of 1)" in text


def test_launches_within_three_percent_are_not_disturbed() -> None:
    assert told(at(1, 0.010, beside=False), at(2, 0.0102, beside=True)) == []


def test_without_a_launch_alone_nothing_can_be_told() -> None:
    (text,) = told(at(2, 0.010, beside=True))
    assert "no launch alone" in text


def test_launches_alone_say_nothing_of_neighbours() -> None:
    assert told(at(1, 0.010, beside=False), at(2, 0.02, beside=False)) == []


def test_the_comparison_warns() -> None:
    warnings = compared([at(1, 0.010, beside=False), at(2, 0.02, beside=True)]).warnings
    assert any("neighbours disturbed" in text for text in warnings)
