"""Keys and the plan of what is missing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_config import study_of

from llmdvfs.benchmark.store import deliver, deliver_failure
from llmdvfs.plan.cells import all_cells, launch_cells, pending_launches
from llmdvfs.plan.identity import StudyIdentities, key_of_identity
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.study import Study
from llmdvfs.records.places import cell_folder, store_entry
from llmdvfs.records.spec import CellId


def with_results(tmp_path: Path, **changes: Any) -> Study:
    return study_of({"results": str(tmp_path), **{key.replace("__", "."): value for key, value in changes.items()}})


def finish(study: Study, cell: CellId, key: str, start: str = "start") -> None:
    entry = store_entry(study.results, key)
    entry.mkdir(parents=True, exist_ok=True)
    (entry / "run.json").write_text(json.dumps({"key": key, "server_start": {"id": start}}))
    deliver(study.results, key, cell_folder(study.results, cell))


def fail(study: Study, cell: CellId, key: str) -> None:
    deliver_failure(study.results, key, cell_folder(study.results, cell), json.dumps({"key": key}))


def cell_key(study: Study, cell: CellId) -> str:
    return StudyIdentities(study).key(cell)


def finish_all(study: Study, start: str = "start") -> None:
    for launch in pending_launches(study):
        for cell in launch.cells:
            finish(study, cell.id, cell.key, start)


def planned(study: Study) -> dict[tuple[str, int], set[str]]:
    """Workloads that are missing, by deployment and launch."""
    return {
        (launch.deployment, launch.job.launch): {cell.id.workload for cell in launch.cells}
        for launch in pending_launches(study)
    }


def test_default_study_has_18_cells_in_6_launches(tmp_path: Path) -> None:
    study = with_results(tmp_path)
    assert len(list(all_cells(study))) == 18
    assert [(item.deployment, item.job.launch) for item in pending_launches(study)] == [
        ("single_tiny", 1),
        ("disaggregated_tiny", 1),
        ("single_tiny", 2),
        ("disaggregated_tiny", 2),
        ("single_tiny", 3),
        ("disaggregated_tiny", 3),
    ]


def test_nothing_is_missing_when_all_is_measured(tmp_path: Path) -> None:
    study = with_results(tmp_path)
    finish_all(study)
    assert pending_launches(study) == []


def test_another_engine_version_measures_everything_anew(tmp_path: Path) -> None:
    """An upgraded engine is another thing to measure; without it in the key old numbers stood for the new engine."""
    study = with_results(tmp_path)
    finish_all(study)
    upgraded = replace(study, engine_versions={**study.engine_versions, "vllm": "99.0.0"})
    assert sum(len(launch.cells) for launch in pending_launches(upgraded)) == 18


def test_an_added_operating_point_misses_one_cell_a_workload_and_launch(tmp_path: Path) -> None:
    finish_all(with_results(tmp_path, device="cuda"))
    points = {"stock": {}, "low": {"sm_clock_mhz": {"single": 900}}}
    more = with_results(tmp_path, device="cuda", operating_points=points)
    missing = [cell.id for launch in pending_launches(more) for cell in launch.cells]
    assert {cell.point for cell in missing} == {"low"}
    # three workloads in three launches; of the disaggregated deployment the point asks nothing
    assert len(missing) == 9


def test_a_changed_workload_misses_its_own_cells(tmp_path: Path) -> None:
    finish_all(with_results(tmp_path))
    changed = with_results(tmp_path, workloads__decode__duration_s=7)
    missing = [cell.id for launch in pending_launches(changed) for cell in launch.cells]
    assert {cell.workload for cell in missing} == {"decode"}
    assert len(missing) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"serving__engine__max_num_seqs": 8},
        {"measure__idle_s": 3},
        {"measure__share_idle": False},
        {"remeasure": "again"},
    ],
    ids=str,
)
def test_what_determines_a_measurement_changes_every_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = with_results(tmp_path), with_results(tmp_path, **changes)
    for cell in all_cells(first):
        assert cell_key(first, cell) != cell_key(second, cell)


@pytest.mark.parametrize(
    "changes",
    [
        {"launches": 9},
        {"workloads__decode__duration_s": 6.0},
        {"gates__min_window_s": 1},
        {"serving__startup_timeout_s": 1},
        {"measure__retries": 5},
        {"strict_launches": True},
        {"tolerate_failed_cells": True},
        {"architectures": ["single", "disaggregated", "replicated-2"]},
    ],
    ids=str,
)
def test_what_does_not_determine_a_measurement_changes_no_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = with_results(tmp_path), with_results(tmp_path, **changes)
    for cell in all_cells(first):
        assert cell_key(first, cell) == cell_key(second, cell)


ALL = {"prefill", "decode", "concurrent"}


def test_an_added_workload_measures_its_launches_anew_where_launches_are_strict(tmp_path: Path) -> None:
    """Otherwise a launch label stands for two server starts, and its workloads do not share their replicate."""
    finish_all(with_results(tmp_path))
    loose = with_results(tmp_path, workloads__decode__duration_s=7)
    strict = with_results(tmp_path, workloads__decode__duration_s=7, strict_launches=True)
    assert set(map(frozenset, planned(loose).values())) == {frozenset({"decode"})}
    assert planned(strict) == dict.fromkeys(planned(loose), ALL)
    assert all(launch.job.one_start for launch in pending_launches(strict))


def test_a_mixed_launch_is_missing_as_a_whole_where_launches_are_strict(tmp_path: Path) -> None:
    study = with_results(tmp_path)
    finish_all(study)
    cell = CellId("single_tiny", "decode", "stock", 2)
    finish(study, cell, cell_key(study, cell), start="another")
    assert planned(study) == {}
    assert planned(with_results(tmp_path, strict_launches=True)) == {("single_tiny", 2): ALL}


def test_strict_launches_of_one_start_each_are_left_alone(tmp_path: Path) -> None:
    finish_all(with_results(tmp_path))
    assert planned(with_results(tmp_path, strict_launches=True)) == {}
    assert planned(with_results(tmp_path, strict_launches=True, launches=4)) == {
        ("single_tiny", 4): ALL,
        ("disaggregated_tiny", 4): ALL,
    }


def test_a_failed_cell_is_missing_unless_it_is_tolerated(tmp_path: Path) -> None:
    study, tolerant = with_results(tmp_path), with_results(tmp_path, tolerate_failed_cells=True)
    finish_all(study)
    cell = CellId("single_tiny", "decode", "stock", 2)
    fail(study, cell, cell_key(study, cell))
    assert planned(study) == {("single_tiny", 2): {"decode"}}
    assert planned(tolerant) == {}


def test_a_failure_of_another_measurement_is_no_failure_of_this_one(tmp_path: Path) -> None:
    tolerant = with_results(tmp_path, tolerate_failed_cells=True)
    finish_all(tolerant)
    fail(tolerant, CellId("single_tiny", "decode", "stock", 2), "0123456789abcdef")
    assert planned(tolerant) == {("single_tiny", 2): {"decode"}}


def test_the_order_of_cells_is_random_by_launch_and_stable_under_additions(tmp_path: Path) -> None:
    study = with_results(tmp_path, device="cuda")
    points = {"low": {"sm_clock_mhz": {"single": 900}}, "stock": {}}
    more = with_results(tmp_path, device="cuda", operating_points=points)
    for launch in (1, 2, 3):
        before = launch_cells(study, "single_tiny", launch)
        after = [cell for cell in launch_cells(more, "single_tiny", launch) if cell.point == "stock"]
        assert after == before
    orders = {tuple(cell.workload for cell in launch_cells(study, "single_tiny", launch)) for launch in range(1, 30)}
    assert len(orders) == 6  # every order of three workloads occurs


def test_deployments_are_asked_the_same_and_launches_are_not() -> None:
    assert derive_seed(1, "prompts", 1, "decode") == 0x1396B948  # printf 1/prompts/1/decode | sha256sum
    assert len({derive_seed(1, "prompts", launch, "decode") for launch in range(100)}) == 100


def test_studies_of_before_an_idle_window_could_be_shared_keep_their_keys(tmp_path: Path) -> None:
    """A setting that is new, and not used, is no part of the identity: nothing would be measured anew for it."""
    study = with_results(tmp_path, measure__share_idle=False)
    identity = StudyIdentities(study).identity(next(iter(all_cells(study))))
    assert "share_idle" not in identity["settings"]


def test_a_direct_route_measures_anew_what_a_router_stood_before_and_nothing_else(tmp_path: Path) -> None:
    """One instance is asked directly in any case; and `proxy` is as it was before there was a choice."""
    usual, direct = with_results(tmp_path), with_results(tmp_path, serving__route="direct")
    changed = {cell.deployment for cell in all_cells(usual) if cell_key(usual, cell) != cell_key(direct, cell)}
    assert changed == {"disaggregated_tiny"}
    kept = {cell.deployment for cell in all_cells(usual) if cell_key(usual, cell) == cell_key(direct, cell)}
    assert kept == {"single_tiny"}
    assert all("route" not in StudyIdentities(usual).identity(cell)["deployment"] for cell in all_cells(usual))


def test_a_key_is_the_hash_of_the_identity_that_is_stored_beside_the_measurement(tmp_path: Path) -> None:
    """Anybody can check that a folder of the store holds what its name says."""
    study = with_results(tmp_path)
    identities = StudyIdentities(study)
    for cell in all_cells(study):
        stored = json.loads(json.dumps(identities.identity(cell)))
        assert key_of_identity(stored) == identities.key(cell)


LOW = {"stock": {}, "low": {"sm_clock_mhz": {"single": 900}}}


def test_the_right_to_set_clocks_measures_once_what_ran_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a laptop without the right, to which the results were copied, asks for nothing anew."""
    study = with_results(tmp_path, device="cuda", architectures=["single"], launches=1, operating_points=LOW)
    monkeypatch.setattr("llmdvfs.plan.cells.may_set_clocks", lambda: False)
    finish_all(study)
    for cell in all_cells(study):
        state = "stock" if cell.point == "stock" else "not_permitted"
        run = {"key": "", "server_start": {"id": "start"}, "applied": {"state": state}}
        (store_entry(study.results, cell_key(study, cell)) / "run.json").write_text(json.dumps(run))
    assert pending_launches(study) == []
    monkeypatch.setattr("llmdvfs.plan.cells.may_set_clocks", lambda: True)
    (launch,) = pending_launches(study)
    assert {cell.id.point for cell in launch.cells} == {"low"}
    assert all(job.identity["permitted"] for job in launch.job.cells)
    finish_all(study)
    assert pending_launches(study) == []
    monkeypatch.setattr("llmdvfs.plan.cells.may_set_clocks", lambda: False)
    assert pending_launches(study) == []


def test_machines_share_a_study_by_launches(tmp_path: Path) -> None:
    """Launches 4 and 5 of one machine have the keys, and so the prompts, that a study of 5 launches has for them."""
    whole = {cell: cell_key(study, cell) for study in [with_results(tmp_path, launches=5)] for cell in all_cells(study)}
    share = with_results(tmp_path, launches=2, first_launch=4)
    assert {cell.launch for cell in all_cells(share)} == {4, 5}
    assert all(whole[cell] == cell_key(share, cell) for cell in all_cells(share))
