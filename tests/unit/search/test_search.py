"""A search from its first round to the confirmed clock, on machines whose best clock is known."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.searches import Machine, bowl
from unit.plan.test_config import study_of

from llmdvfs.answers.answer import answers
from llmdvfs.answers.choice import Confirmed
from llmdvfs.errors import ConfigError, SearchStalled
from llmdvfs.plan.cells import all_cells
from llmdvfs.plan.decided import as_decided, decided_so_far
from llmdvfs.plan.study import Study
from llmdvfs.records.answers import Answer
from llmdvfs.records.places import decided_file
from llmdvfs.records.search import ClockRange, SearchedLoad
from llmdvfs.records.spec import SloSpec
from llmdvfs.search.drive import next_round, search
from llmdvfs.search.role import searched_roles
from llmdvfs.search.words import outcome_lines

DECODE = {
    "isolates": "decode",
    "prompts": {"prompt_tokens": 48, "output_tokens": 32},
    "arrival": {"kind": "closed", "concurrency": 8},
    "duration_s": 6,
}
MIXED = {key: value for key, value in DECODE.items() if key != "isolates"}


def study(results: Path, **changes: Any) -> Study:
    given = {
        "results": str(results),
        "device": "cuda",
        "launches": 5,
        "architectures": ["single"],
        "workloads": {"decode": DECODE},
        "search": {"sm_clock_mhz": {"all": "210..1980/15"}},
    }
    return study_of({**given, **changes})


def single(lowest_mhz: float = 1200) -> Any:
    return lambda held: bowl(lowest_mhz)(held["single"])


def points_of(load: SearchedLoad, kind: str) -> list[set[str]]:
    return [{point.id for point in step.points} for step in load.rounds if step.kind == kind]


def answer_of(machine: Machine, load: SearchedLoad) -> Answer:
    assert load.confirmation is not None
    confirmed = Confirmed(load.confirmation.chosen, set(load.confirmation.launches), load.text)
    (found,) = answers(machine.measured.values(), {(load.deployment, load.workload): confirmed}).answers
    return found


def test_two_rounds_and_five_confirming_launches_find_the_clock(tmp_path: Path) -> None:
    """No noise: five clocks, six near the lowest, then the lowest and the fastest near it beside stock."""
    machine = Machine(study(tmp_path), single())
    (load,) = search(machine.study, machine.measure, lambda line: None, machine.read).loads
    assert [step.kind for step in load.rounds] == ["range", "near", "confirm"]
    assert [step.launches for step in load.rounds] == [(1,), (2,), (3, 4, 5, 6, 7)]
    assert load.state == "target_reached"
    assert load.confirmation is not None
    clock = int(load.confirmation.chosen["lowest_energy"].removeprefix("single-"))
    assert clock == pytest.approx(1200, abs=15)
    assert len(machine.asked) == len(set(machine.asked)), "a finished cell was measured again"
    found = answer_of(machine, load)
    # E(1980) / E(1200) = exp(0.6 ln(1.65)^2) = 1.1624: 13.97 % saved against stock
    assert found.choices[0].saving.value == pytest.approx(0.1397, abs=0.0005)
    assert found.choices[0].basis == "confirming_launches"
    assert "regret bound" in (found.search or "")


def test_every_round_has_stock_in_its_launches(tmp_path: Path) -> None:
    """Energies of two server starts are compared as ratios to stock of the same one."""
    machine = Machine(study(tmp_path), single())
    search(machine.study, machine.measure, lambda line: None, machine.read)
    assert {cell.launch for cell in machine.asked} == {cell.launch for cell in machine.asked if cell.point == "stock"}


def test_a_killed_search_goes_on_and_measures_no_cell_twice(tmp_path: Path) -> None:
    """Killed after every third cell: each run goes on where the last one was, and the end is the same."""
    machine = Machine(study(tmp_path), single(), fails_after=3)
    for _ in range(40):
        try:
            record = search(machine.study, machine.measure, lambda line: None, machine.read)
            break
        except KeyboardInterrupt:
            continue
    undisturbed = Machine(study(tmp_path / "other"), single())
    assert record == search(undisturbed.study, undisturbed.measure, lambda line: None, undisturbed.read)
    assert len(machine.asked) == len(set(machine.asked)) == len(undisturbed.asked)


def test_a_finished_search_has_nothing_to_do(tmp_path: Path) -> None:
    machine = Machine(study(tmp_path), single())
    search(machine.study, machine.measure, lambda line: None, machine.read)
    before = decided_file(tmp_path).read_bytes()
    num_asked = len(machine.asked)
    search(machine.study, machine.measure, lambda line: None, machine.read)
    assert (len(machine.asked), decided_file(tmp_path).read_bytes()) == (num_asked, before)


def test_further_launches_confirm_again_and_search_no_more(tmp_path: Path) -> None:
    machine = Machine(study(tmp_path), single())
    search(machine.study, machine.measure, lambda line: None, machine.read)
    num_asked = len(machine.asked)
    longer = replace(machine.study, num_launches=7)
    machine.study = longer
    (load,) = search(longer, machine.measure, lambda line: None, machine.read).loads
    assert load.rounds[-1].launches == (3, 4, 5, 6, 7, 8, 9)
    assert {cell.launch for cell in machine.asked[num_asked:]} == {8, 9}


def test_a_changed_workload_searches_from_the_begin(tmp_path: Path) -> None:
    """Nothing of the old load is held, so no later round of it may stand."""
    machine = Machine(study(tmp_path), single())
    search(machine.study, machine.measure, lambda line: None, machine.read)
    machine.measured.clear()
    record, missing = next_round(machine.study, machine.read)
    assert [step.kind for step in record.loads[0].rounds] == ["range"]
    assert len(missing) == 6  # five clocks and stock


def test_clocks_that_the_power_limit_does_not_let_through_are_not_searched(tmp_path: Path) -> None:
    """Stock runs at 1410 MHz under this load: above it a clock is a label, and the lowest of all is at the ceiling."""
    machine = Machine(study(tmp_path), single(1600), ceiling_mhz=1410)
    (load,) = search(machine.study, machine.measure, lambda line: None, machine.read).loads
    near = {int(name.removeprefix("single-")) for name in points_of(load, "near")[0]}
    assert max(near) <= 1410
    assert load.state == "target_reached"
    assert "single 1410 MHz" in load.text or "single 1395 MHz" in load.text
    taken = set(load.confirmation.chosen.values()) if load.confirmation else set()
    assert not taken & {"single-1710", "single-1680", "single-1980"}, "a label was taken for a clock"


def test_a_machine_that_may_not_set_clocks_ends_the_search_and_says_why(tmp_path: Path) -> None:
    machine = Machine(study(tmp_path), single(), state="not_permitted")
    (load,) = search(machine.study, machine.measure, lambda line: None, machine.read).loads
    assert (load.state, load.confirmation) == ("no_clocks", None)
    assert "not permitted: no right to" in load.text
    assert len(machine.asked) == 6
    assert "doctor" in next(iter(outcome_lines(decided_so_far(machine.study))))  # type: ignore[arg-type]


def test_a_spent_budget_says_what_more_would_cost(tmp_path: Path) -> None:
    """Energies that differ by up to 20 % from clock to clock: no parabola, and no bound under 1 % in 20 cells."""
    given = study(tmp_path, search={"sm_clock_mhz": {"all": "210..1980/15"}, "max_cells": 20})
    machine = Machine(given, lambda held: bowl(1200)(held["single"]) * (1 + 0.1 * math.sin(held["single"])))
    (load,) = search(given, machine.measure, lambda line: None, machine.read).loads
    assert load.state == "budget_spent"
    assert "more would bring the bound" in load.text
    assert "a cell took" in load.text
    assert load.confirmation is not None


def test_loads_of_a_deployment_share_server_starts(tmp_path: Path) -> None:
    loads = {"decode-8": DECODE, "decode-64": DECODE | {"arrival": {"kind": "closed", "concurrency": 64}}}
    machine = Machine(study(tmp_path, workloads=loads), single())
    first, second = search(machine.study, machine.measure, lambda line: None, machine.read).loads
    assert [step.launches for step in first.rounds] == [step.launches for step in second.rounds]


def test_two_roles_are_searched_one_at_a_time_and_verified_together(tmp_path: Path) -> None:
    """Prefill is lowest at 1400 MHz, decode at 900; the sum of both at both. One clock for all costs more."""

    def energy(held: Any) -> float:
        return bowl(1400)(held["prefill"]) + bowl(900)(held["decode"])

    given = study(tmp_path, architectures=["disaggregated"], workloads={"mixed": MIXED})
    machine = Machine(given, energy)
    (load,) = search(given, machine.measure, lambda line: None, machine.read).loads
    assert [step.kind for step in load.rounds] == ["range", "near", "cross", "confirm"]
    (crossed,) = points_of(load, "cross")
    assert {name.split("-")[0] for name in crossed} == {"cross", "all"}
    found = answer_of(machine, load)
    lowest = next(point for point in found.points if point.point.id == found.choices[0].point).point.sm_clock_mhz
    assert lowest["prefill"] == pytest.approx(1400, abs=30)
    assert lowest["decode"] == pytest.approx(900, abs=30)
    assert "over one clock for all" in next(flag.text for flag in found.flags if flag.name == "interacts")


def test_a_load_of_one_phase_searches_the_role_that_works() -> None:
    assert searched_roles(("prefill", "decode"), "decode") == ("decode",)
    assert searched_roles(("prefill", "decode"), "prefill") == ("prefill",)
    assert searched_roles(("prefill", "decode"), None) == ("prefill", "decode")
    assert searched_roles(("single",), "decode") == ("single",)


def test_limits_choose_the_point_that_is_confirmed_for_them(tmp_path: Path) -> None:
    """Time is 20 / clock: a limit of 12.5 ms is kept from 1600 MHz on, and of those the lowest clock costs least."""
    given = study(tmp_path)
    workload = replace(given.workloads["decode"], slo=SloSpec(tpot_s=0.0125))
    given = replace(given, workloads={"decode": workload})
    machine = Machine(given, single())
    (load,) = search(given, machine.measure, lambda line: None, machine.read).loads
    assert load.confirmation is not None
    name = load.confirmation.chosen["within_limits"]
    assert int(name.removeprefix("single-")) >= 1600
    limited = next(choice for choice in answer_of(machine, load).choices if choice.rule == "within_limits")
    assert (limited.point, limited.basis) == (name, "confirming_launches")


def test_a_round_of_which_nothing_was_measured_stops_the_search(tmp_path: Path) -> None:
    """A measurement that ends well and leaves nothing would be asked for again for ever."""
    machine = Machine(study(tmp_path), single())
    with pytest.raises(SearchStalled, match="of 6 cells that a round decided none was measured"):
        search(machine.study, lambda: None, lambda line: None, machine.read)


def test_a_dry_run_writes_nothing_and_says_the_first_round(tmp_path: Path) -> None:
    machine = Machine(study(tmp_path), single())
    record, missing = next_round(machine.study, machine.read)
    assert (len(record.loads[0].rounds), len(missing)) == (1, 6)
    assert not decided_file(tmp_path).exists()


def test_snakemake_plans_the_cells_that_were_decided(tmp_path: Path) -> None:
    machine = Machine(study(tmp_path), single())
    with pytest.raises(ConfigError, match="llmdvfs search"):
        as_decided(machine.study)
    search(machine.study, machine.measure, lambda line: None, machine.read)
    assert set(all_cells(as_decided(machine.study))) == set(machine.asked)
    assert json.loads(decided_file(tmp_path).read_text())["schema"] == "llmdvfs/search-record"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"operating_points": {"stock": {}, "low": {"sm_clock_mhz": {"all": 900}}}}, "operating_points.low"),
        ({"device": "cpu"}, "device: cuda"),
        ({"search": {"sm_clock_mhz": {"all": "900..600/15"}}}, "low < high"),
        ({"search": {"sm_clock_mhz": {"all": "600"}}}, "a range of MHz such as 210..1980/15"),
        ({"search": {"sm_clock_mhz": {"decode": "600..900/15"}}}, "no range for single of single_tiny"),
        ({"search": {"sm_clock_mhz": {"all": "600..900/15", "single": "600..900/15"}}}, "'all' beside other roles"),
        ({"search": {}}, "sm_clock_mhz"),
    ],
)
def test_what_cannot_be_searched_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        study(tmp_path, **changes)
    assert words in str(refused.value)


def test_a_range_snaps_to_its_grid_and_stays_inside() -> None:
    """210 + 15 k up to 1980; 200..1000/300 has 200, 500, 800, and 1000 is none of them."""
    assert ClockRange(200, 1000, 300).snapped(1000) == 800
