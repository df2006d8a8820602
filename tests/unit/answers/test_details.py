"""What stands beside energy and time in an answer: parts of the energy, goodput, and doubt."""

from dataclasses import replace

import pytest
from fakes.sweeps import Cell, cell, sweep

from llmdvfs.answers.answer import answer, answers
from llmdvfs.answers.lookup import lookup_rows, lookup_table
from llmdvfs.answers.words import explain
from llmdvfs.records.answers import PointDetails
from llmdvfs.records.result import Gate
from llmdvfs.records.under_load import UnderLoad

ENERGY = {1200: 0.80, 1600: 0.83, None: 1.0}
TIME = {1200: 0.013, 1600: 0.011, None: 0.010}


def details_of(cells: list[Cell], point: str) -> PointDetails:
    found = next(item for item in answer(cells).points if item.point.id == point).details
    assert found is not None
    return found


def with_sensors(made: Cell, memory_w: float | None) -> Cell:
    """Return a cell of 400 W, 100 W of them without load, 120 J in all of which 90 are above idle."""
    result, run = made
    (device,) = result.energy.devices
    device = replace(device, mean_power_w=400.0, idle_power_w=100.0, memory_power_w=memory_w)
    return replace(result, energy=replace(result.energy, gross_j=120.0, net_j=90.0, devices=(device,))), run


def test_memory_and_idle_energy_are_shares_of_the_energy_a_token() -> None:
    """0.8 J a token: HBM draws 140 of 400 W, 0.28 J; idle makes 30 of 120 J, 0.2 J."""
    cells = [with_sensors(each, 140.0) for each in sweep({1200: 0.8, None: 1.0}, TIME)]
    found = details_of(cells, "clock-1200")
    # the three launches' energies are 0.99, 1.00 and 1.01 of 0.8
    assert found.memory_energy_j == pytest.approx(0.28)
    assert found.idle_energy_j == pytest.approx(0.20)
    assert found.idle_power_w == pytest.approx(100)


def under_one_load(made: Cell, idle_at_point_w: dict[str, float]) -> Cell:
    """Return the cell as a step of a sweep, whose idle windows are at stock and 100 W."""
    result, run = with_sensors(made, None)
    step = UnderLoad("s", 0, 0, (0, 1), True, "level", 2, True, idle_at_point_w=idle_at_point_w)
    return result, replace(run, under_load=step)


def test_idle_power_at_a_point_is_that_of_the_held_point() -> None:
    """Under one load the idle windows are at stock: 100 W. Held before the load the GPUs drew 70 W, in launch 1."""
    cells = [
        under_one_load(each, {} if each[0].cell.launch > 1 else {"gpu0": 70.0 if each[1].point.sm_clock_mhz else 99.0})
        for each in sweep(ENERGY, TIME)
    ]
    found = details_of(cells, "clock-1600")
    assert (found.idle_at_point_w, found.idle_power_w) == (70.0, pytest.approx(100.0))
    assert "nothing to do it draws 70 W there, 99 W at stock" in explain(answers(cells))


def test_idle_power_under_one_load_is_not_known_where_no_point_was_held_idle() -> None:
    cells = [under_one_load(each, {}) for each in sweep(ENERGY, TIME)]
    assert details_of(cells, "clock-1600").idle_at_point_w is None
    assert "nothing to do" not in explain(answers(cells))


def test_a_cell_by_itself_is_idle_at_its_own_point() -> None:
    cells = [with_sensors(each, None) for each in sweep(ENERGY, TIME)]
    assert details_of(cells, "clock-1600").idle_at_point_w == pytest.approx(100.0)


def test_what_one_cell_lacks_is_null() -> None:
    cells = [with_sensors(each, 140.0 if number else None) for number, each in enumerate(sweep(ENERGY, TIME))]
    assert details_of(cells, "clock-1200").memory_energy_j is None
    assert details_of(cells, "clock-1600").memory_energy_j is not None


def test_an_answer_that_rests_on_doubtful_cells_says_so() -> None:
    """One launch of the chosen clock was throttled; a doubtful point that nothing rests on is not named."""
    failed = Gate("power_cap", "failed", "12 %", "< 1 %", "lower the clock")
    cells = [
        (replace(result, gates=(failed,) if (result.cell.point, result.cell.launch) == ("clock-1600", 2) else ()), run)
        for result, run in sweep(ENERGY, TIME)
    ]
    (flag,) = [flag for flag in answer(cells).flags if flag.name == "doubtful"]
    assert "clock-1600: of its 3 cell(s) some failed a gate (power_cap in 1)" in flag.text
    assert "Mind (doubtful)" in explain(answers(cells))
    assert not [flag for flag in answer(sweep(ENERGY, TIME)).flags if flag.name == "doubtful"]


def test_the_lookup_table_has_a_row_a_load_in_the_order_of_batches() -> None:
    """Batch 64 takes 1600 MHz, the fastest within 5 %; at batch 8 nothing is better than stock."""
    at_64 = [in_flight(each, 64) for each in sweep(ENERGY, TIME)]
    at_8 = [in_flight(each, 8) for each in sweep({1200: 1.2, 1600: 1.1, None: 1.0}, TIME)]
    table = lookup_table(answers(at_64 + at_8).answers)
    assert [(row.batch_size, row.point.id) for row in table] == [(8, "stock"), (64, "clock-1600")]
    assert table[0].saving.value == 0
    assert table[1].saving.value == pytest.approx(0.17)
    flat = list(lookup_rows(table))
    assert [row["single_sm_clock_mhz"] for row in flat] == [None, 1600]
    assert [row["decode_power_limit_w"] for row in flat] == [None, None]


def in_flight(made: Cell, concurrency: int) -> Cell:
    result, run = made
    name = f"decode-{concurrency}"
    identity = replace(run.cell, workload=name)
    arrival = replace(run.workload.arrival, concurrency=concurrency)
    workload = replace(run.workload, id=name, arrival=arrival)
    return replace(result, cell=identity), replace(run, cell=identity, workload=workload)


def test_a_rate_is_told_in_the_lookup_table() -> None:
    made = [
        (result, replace(run, workload=replace(run.workload, arrival=replace(run.workload.arrival, rate_rps=20.0))))
        for result, run in [cell(None, 1, 1.0, 0.01), cell(1200, 1, 0.8, 0.01)]
    ]
    assert lookup_table(answers(made).answers)[0].rate_rps == 20.0
