"""Points that share one running load: who may, in which order, and under which key."""

import itertools
from typing import Any

import pytest
from fakes.workloads import workload
from unit.plan.test_config import study_of

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cells import launch_cells
from llmdvfs.plan.identity import StudyIdentities, key_of_identity
from llmdvfs.plan.study import Study
from llmdvfs.plan.under_load import kept_apart, num_stock_needed, sweep_order, why_apart
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.spec import ArrivalSpec, CellId

LOOP = {"prompts": {"prompt_tokens": 8, "output_tokens": 4}, "arrival": {"kind": "closed", "concurrency": 2}}
WAVES = {"prompts": LOOP["prompts"], "arrival": {"kind": "waves", "wave_sizes": [2, 4]}}
SIX_CLOCKS = {"stock": {}, "all": {"sm_clock_mhz": {"single": "600..1600/200"}}}


def gpu_study(**changes: Any) -> Study:
    return study_of(
        {
            "device": "cuda",
            "architectures": ["single"],
            "models": {"m": {"source": "shape", "location": "qwen3-8b"}},
            "serving.engine": {},
            "workloads": {"loop": LOOP | {"duration_s": 3}, "waves": WAVES},
            "operating_points": SIX_CLOCKS,
            "measure": {"points_under_load": True},
        }
        | changes
    )


def points_of(study: Study, workload_id: str, launch: int = 1) -> list[str]:
    (deployment,) = study.deployments
    return [cell.point for cell in launch_cells(study, deployment, launch) if cell.workload == workload_id]


def test_stock_is_first_last_and_at_least_every_sixth_step() -> None:
    others = [str(clock) for clock in range(17)]
    stock = ["stock", *(f"stock-repeat-{number}" for number in range(1, 6))]
    order = sweep_order(stock, others)
    places = [place for place, point in enumerate(order) if point in stock]
    assert num_stock_needed(17) == 5  # gaps of 5, 5, 5 and 2 hold 17: four gaps have five edges
    assert len(places) == 5
    assert (places[0], places[-1]) == (0, len(order) - 1)
    assert max(after - before for before, after in itertools.pairwise(places)) <= 6
    assert [point for point in order if point not in stock] == others


def test_a_repeat_that_the_user_has_named_counts() -> None:
    assert sweep_order(["stock", "stock-again", "stock-repeat-1"], ["low"]) == ["stock", "low", "stock-again"]
    assert sweep_order(["stock"], []) == ["stock"]


def test_a_sweep_is_in_one_piece_and_its_repeats_of_stock_are_added() -> None:
    study = gpu_study()
    loop = points_of(study, "loop")
    assert [loop[0], loop[4], loop[8]] == ["stock", "stock-repeat-1", "stock-repeat-2"]  # 6 others in two gaps
    assert {*loop[1:4], *loop[5:8]} == {f"all-{clock}" for clock in range(600, 1601, 200)}
    assert points_of(study, "loop", launch=2) != loop
    (deployment,) = study.deployments
    order = [cell.workload for cell in launch_cells(study, deployment, 1)]
    begin = order.index("loop")
    assert order[begin : begin + 9] == ["loop"] * 9


def test_waves_stay_a_cell_a_point_without_further_repeats_and_the_plan_says_so() -> None:
    study = gpu_study()
    assert sorted(points_of(study, "waves")) == sorted(["stock", *(f"all-{clock}" for clock in range(600, 1601, 200))])
    (said,) = kept_apart(study.workloads.values(), study.settings)
    assert said.startswith("workloads.waves: each operating point has a load of its own")
    assert list(kept_apart(study.workloads.values(), MeasureSettings())) == []


def test_a_load_that_ends_by_a_number_cannot_be_shared() -> None:
    assert why_apart(workload(duration_s=3.0, num_requests=None)) is None
    assert why_apart(workload(ArrivalSpec("poisson", rate_rps=1.0), duration_s=3.0, num_requests=None)) is None
    assert "num_requests" in (why_apart(workload(duration_s=3.0, num_requests=9)) or "")


def test_cells_of_a_study_without_it_keep_their_keys() -> None:
    """New settings went into the hash of every cell: all that had been measured would have been measured again."""
    cell = CellId("single_m", "waves", "all-600", 1)
    without = gpu_study(measure={})
    assert StudyIdentities(gpu_study()).key(cell) == StudyIdentities(without).key(cell)
    further = {"points_under_load", "skip_cap_bound", "half_width_fraction", "idle_at_points_s"}
    assert not further & set(StudyIdentities(without).identity(cell)["settings"])


def test_a_cell_under_load_is_another_measurement() -> None:
    cell, study = CellId("single_m", "loop", "all-600", 1), gpu_study()
    key = StudyIdentities(study).key(cell)
    assert key != StudyIdentities(gpu_study(measure={})).key(cell)
    assert key == key_of_identity(StudyIdentities(study).identity(cell))
    skipping = {"measure": {"points_under_load": True, "skip_cap_bound": True}, "tolerate_failed_cells": True}
    assert key == StudyIdentities(gpu_study(**skipping)).key(cell)
    idling = {"measure": {"points_under_load": True, "idle_at_points_s": 1}}
    assert key == StudyIdentities(gpu_study(**idling)).key(cell), (
        "it is looked at before the load, which stays the same"
    )
    shorter = {"measure": {"points_under_load": True, "half_width_fraction": 0.01}}
    assert key != StudyIdentities(gpu_study(**shorter)).key(cell)


def test_a_sweep_needs_stock_and_its_repeats_their_names() -> None:
    with pytest.raises(ConfigError, match="begins and ends with it"):
        gpu_study(operating_points={"low": {"sm_clock_mhz": {"single": 600}}})
    with pytest.raises(ConfigError, match=r"stock-repeat-7: expected a name that does not begin with"):
        gpu_study(operating_points={"stock": {}, "stock-repeat-7": {}})
