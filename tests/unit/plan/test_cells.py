"""Keys and the plan of what is missing."""

import json
from pathlib import Path
from typing import Any

import pytest
from unit.plan.test_config import study_of

from llmdvfs.plan.cells import all_cells, cell_folder, cell_key, launch_cells, pending_launches
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.study import Study
from llmdvfs.records.spec import CellId


def with_results(tmp_path: Path, **changes: Any) -> Study:
    return study_of({"results": str(tmp_path), **{key.replace("__", "."): value for key, value in changes.items()}})


def finish(study: Study, cell: CellId, key: str) -> None:
    raw = cell_folder(study.results, cell) / "raw"
    raw.mkdir(parents=True)
    (raw / "run.json").write_text(json.dumps({"key": key}))


def finish_all(study: Study) -> None:
    for launch in pending_launches(study):
        for cell, job in zip(launch.cells, launch.job.cells, strict=True):
            finish(study, cell, job.key)


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
    assert len(missing) == 18


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
        {"architectures": ["single", "disaggregated", "replicated-2"]},
    ],
    ids=str,
)
def test_what_does_not_determine_a_measurement_changes_no_key(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = with_results(tmp_path), with_results(tmp_path, **changes)
    for cell in all_cells(first):
        assert cell_key(first, cell, "code") == cell_key(second, cell, "code")


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
