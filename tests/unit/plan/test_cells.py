"""Keys and the plan of what is missing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_config import study_of

from llmdvfs.plan.cells import (
    all_cells,
    cell_folder,
    cell_key,
    launch_cells,
    measuring_code_hash,
    pending_launches,
)
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.study import Study
from llmdvfs.records.spec import CellId


def with_results(tmp_path: Path, **changes: Any) -> Study:
    return study_of({"results": str(tmp_path), **{key.replace("__", "."): value for key, value in changes.items()}})


def finish(study: Study, cell: CellId, key: str, start: str = "start") -> None:
    raw = cell_folder(study.results, cell) / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "run.json").write_text(json.dumps({"key": key, "server_start": {"id": start}}))


def fail(study: Study, cell: CellId, key: str) -> None:
    raw = cell_folder(study.results, cell) / "raw"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    (raw / "failed.json").write_text(json.dumps({"key": key, "cause": "out of memory"}))


def finish_all(study: Study, start: str = "start") -> None:
    for launch in pending_launches(study):
        for cell, job in zip(launch.cells, launch.job.cells, strict=True):
            finish(study, cell, job.key, start)


def planned(study: Study) -> dict[tuple[str, int], set[str]]:
    """Workloads that are missing, by deployment and launch."""
    return {
        (launch.deployment, launch.job.launch): {cell.workload for cell in launch.cells}
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


def test_an_added_operating_point_misses_one_cell_a_workload_and_launch(tmp_path: Path) -> None:
    finish_all(with_results(tmp_path, device="cuda"))
    points = {"stock": {}, "low": {"sm_clock_mhz": {"single": 900}}}
    more = with_results(tmp_path, device="cuda", operating_points=points)
    missing = [cell for launch in pending_launches(more) for cell in launch.cells]
    assert {cell.point for cell in missing} == {"low"}
    # three workloads in three launches; of the disaggregated deployment the point asks nothing
    assert len(missing) == 9


def test_a_changed_workload_misses_its_own_cells(tmp_path: Path) -> None:
    finish_all(with_results(tmp_path))
    changed = with_results(tmp_path, workloads__decode__duration_s=7)
    missing = [cell for launch in pending_launches(changed) for cell in launch.cells]
    assert {cell.workload for cell in missing} == {"decode"}
    assert len(missing) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"serving__engine__max_num_seqs": 8},
        {"measure__idle_s": 3},
        {"remeasure": "again"},
    ],
    ids=str,
)
def test_what_determines_a_measurement_changes_every_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = with_results(tmp_path), with_results(tmp_path, **changes)
    for cell in all_cells(first):
        assert cell_key(first, cell, "code") != cell_key(second, cell, "code")


@pytest.mark.parametrize(
    "changes",
    [
        {"launches": 9},
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
        assert cell_key(first, cell, "code") == cell_key(second, cell, "code")


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
    finish(study, cell, cell_key(study, cell, measuring_code_hash()), start="another")
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
    fail(study, cell, cell_key(study, cell, measuring_code_hash()))
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
    assert derive_seed(1, "prompts", 1, "decode") == derive_seed(1, "prompts", 1, "decode")
    assert len({derive_seed(1, "prompts", launch, "decode") for launch in range(100)}) == 100
