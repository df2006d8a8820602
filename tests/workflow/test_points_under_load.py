"""A study whose points share one load, planned and measured by the workflow, and not measured again."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow.conftest import Checkout, copy_checkout, study

JOB = "benchmark_external_tiny_launch_1"
POINTS = ("stock", "a", "b")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Checkout:
    made = copy_checkout(tmp_path_factory.mktemp("sweep"), endpoint)
    base: dict[str, Any] = study(endpoint)
    loop = base["workloads"]["first"] | {"arrival": {"kind": "closed", "concurrency": 4}, "duration_s": 1.0}
    del loop["num_requests"]
    base["workloads"] = {"loop": loop, "count": base["workloads"]["second"]}
    base["operating_points"] = {point: {} for point in POINTS}
    base["measure"] |= {"points_under_load": True, "calibrate_client": False}
    (made.folder / "config" / "config.yaml").write_text(yaml.safe_dump(base), encoding="utf-8")
    return made


def runs(checkout: Checkout, workload: str) -> dict[str, dict[str, Any]]:
    files = Path(checkout.folder, "results/cells/external_tiny", workload).glob("*/launch-1/raw/run.json")
    return {path.parts[-4]: json.loads(path.read_text(encoding="utf-8")) for path in files}


def test_points_of_a_load_are_one_sweep_beside_cells_that_have_a_load_of_their_own(checkout: Checkout) -> None:
    run = checkout.snakemake("--until", JOB)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "workloads.count: each operating point has a load of its own (points_under_load)" in run.stderr
    loop, count = runs(checkout, "loop"), runs(checkout, "count")
    assert sorted(loop) == sorted(count) == sorted(POINTS)
    assert len({cell["under_load"]["sweep"] for cell in loop.values()}) == 1
    assert [cell["under_load"] for cell in count.values()] == [None] * 3
    in_order = sorted(loop.values(), key=lambda cell: cell["under_load"]["step"])
    assert [cell["under_load"]["step"] for cell in in_order] == [0, 1, 2]
    first = in_order[0]["order_in_launch"]
    assert [cell["order_in_launch"] for cell in in_order] == list(range(first, first + 3))
    log = (checkout.folder / "results/logs/benchmark/external_tiny.launch-1.log").read_text(encoding="utf-8")
    assert "with servers ready were measured load" in log


def test_a_further_point_is_a_sweep_of_its_own_and_the_others_stay(checkout: Checkout) -> None:
    before = runs(checkout, "loop")
    checkout.edit("config/config.yaml", "  stock: {}", "  e: {}\n  stock: {}")
    run = checkout.snakemake("--until", JOB)
    assert run.returncode == 0, run.stdout + run.stderr
    after = runs(checkout, "loop")
    assert {point: cell for point, cell in after.items() if point != "e"} == before
    assert after["e"]["under_load"]["sweep"] != before["stock"]["under_load"]["sweep"]
