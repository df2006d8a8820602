"""A results folder that was copied to a machine without its engine: analysed as it was measured, measured no more."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_cells import finish
from unit.plan.test_config import config_with

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import all_cells, pending_launches, plan_cells
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.identity import StudyIdentities
from llmdvfs.plan.recorded import check_recorded, recorded_engine
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.places import cell_folder, store_entry

THERE = {"vllm": "0.23.0", "torch": "2.11.0", "python": "3.12.3"}
HERE = {"vllm": "0.32.0", "torch": "2.13.0", "python": "3.11.7"}


def measured_there(results: Path, engine: Mapping[str, str] = THERE, **changes: Any) -> Study:
    """A study of the default configuration, whose cells were measured by another engine than this machine has."""
    study = make_study(complete_config(config_with({"results": str(results), **changes})), lambda python: engine)
    identities = StudyIdentities(study)
    for cell in all_cells(study):
        key = identities.key(cell)
        finish(study, cell, key)
        (store_entry(results, key) / "identity.json").write_text(json.dumps(identities.identity(cell)))
    return study


def seen_here(results: Path, **changes: Any) -> Study:
    config = complete_config(config_with({"results": str(results), "analyse_only": True, **changes}))
    return make_study(config, recorded_engine(results))


def test_the_engine_is_that_of_the_measurements(tmp_path: Path) -> None:
    measured_there(tmp_path)
    study = seen_here(tmp_path)
    assert study.engine_versions == THERE
    assert len(plan_cells(study)) == 18
    assert pending_launches(study) == []


def test_without_it_everything_would_be_measured_anew(tmp_path: Path) -> None:
    measured_there(tmp_path)
    here = make_study(complete_config(config_with({"results": str(tmp_path)})), lambda python: HERE)
    assert sum(len(launch.cells) for launch in pending_launches(here)) == 18


def test_cells_that_are_not_there_are_left_out_and_said(tmp_path: Path) -> None:
    """A study that was cut: two launches of three. A changed workload was not measured either: it is not mistaken."""
    measured_there(tmp_path, launches=2)
    study = seen_here(tmp_path, **{"workloads.decode.duration_s": 7})
    plan = plan_cells(study)
    assert {(cell.id.launch, cell.id.workload) for cell in plan} == {
        (launch, workload) for launch in (1, 2) for workload in study.workloads if workload != "decode"
    }
    assert pending_launches(study, plan) == []
    said = check_recorded(study, plan)
    assert said is not None
    assert said.startswith("analyse_only: 10 of 18 cells are not in")  # 6 of launch 3, 4 of decode


def test_all_there_says_nothing(tmp_path: Path) -> None:
    measured_there(tmp_path)
    study = seen_here(tmp_path)
    assert check_recorded(study, plan_cells(study)) is None


def test_measurements_taken_from_another_folder_are_linked_and_not_measured(tmp_path: Path) -> None:
    """merge-results brings the store alone: the cells' folders are made by the jobs that would measure."""
    study = measured_there(tmp_path)
    cell = next(all_cells(study))
    for path in cell_folder(tmp_path, cell).iterdir():
        path.unlink()
    (launch,) = pending_launches(seen_here(tmp_path))
    assert [job.id for job in launch.cells] == [cell]


def test_launches_of_several_starts_stay_as_they_are(tmp_path: Path) -> None:
    """strict_launches would measure them again."""
    study = measured_there(tmp_path, strict_launches=True)
    first = next(all_cells(study))
    run = store_entry(tmp_path, StudyIdentities(study).key(first)) / "run.json"
    run.write_text(json.dumps({"server_start": {"id": "another"}}))
    assert len(pending_launches(study)) == 1
    assert pending_launches(seen_here(tmp_path, strict_launches=True)) == []


def test_the_engine_of_most_measurements_is_the_studys(tmp_path: Path) -> None:
    measured_there(tmp_path)
    measured_there(tmp_path, HERE, launches=1)
    assert seen_here(tmp_path).engine_versions == THERE


def test_a_folder_without_measurements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"analyse_only: true: .*store has no measurement"):
        seen_here(tmp_path)


def test_a_folder_without_a_cell_of_this_study_is_refused(tmp_path: Path) -> None:
    measured_there(tmp_path)
    study = seen_here(tmp_path, seed=5)
    with pytest.raises(ConfigError, match="holds none of the study's 18 cells"):
        check_recorded(study, plan_cells(study))


def test_a_damaged_identity_is_passed_over(tmp_path: Path) -> None:
    measured_there(tmp_path)
    next((tmp_path / "store").iterdir()).joinpath("identity.json").write_text("{")
    assert seen_here(tmp_path).engine_versions == THERE


def test_rights_of_this_machine_play_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A point that was not permitted there is not asked for again because clocks may be set here."""
    points = {"stock": {}, "low": {"sm_clock_mhz": {"single": 900}}}
    study = measured_there(tmp_path, device="cuda", operating_points=points)
    told = {"server_start": {"id": "start"}, "applied": {"state": "not_permitted"}}
    for cell in all_cells(study):
        store_entry(tmp_path, StudyIdentities(study).key(cell)).joinpath("run.json").write_text(json.dumps(told))
    monkeypatch.setattr("llmdvfs.plan.cells.may_set_clocks", lambda: True)
    assert pending_launches(study) != []
    here = seen_here(tmp_path, device="cuda", operating_points=points)
    assert pending_launches(here) == []
    assert len(plan_cells(here)) == len(list(all_cells(study)))
