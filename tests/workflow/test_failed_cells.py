"""A study of which a cell cannot be measured: it stops there, or goes on without the cell and says so."""

import json

import pytest
import yaml
from workflow.conftest import Checkout, copy_checkout, study

TOLERANT = ("--config", "tolerate_failed_cells=true")
JOB = "benchmark_external_tiny_launch_1"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Checkout:
    """A study whose second workload has a prompt file that is damaged beyond what a plan looks at: the load notices."""
    made = copy_checkout(tmp_path_factory.mktemp("failing"), endpoint)
    sound = json.dumps({"prompt": "One two three four. " * 50}) + "\n"
    (made.folder / "damaged.jsonl").write_text(sound * 4300 + "no JSON\n", encoding="utf-8")
    config = study(endpoint) | {"measure": {"idle_s": 0.1, "calibrate_client": False}, "figures": {"cells": "none"}}
    prompts = {"source": "jsonl", "path": "damaged.jsonl", "output_tokens": 4}
    config["workloads"]["second"]["prompts"] = prompts  # type: ignore[index]
    (made.folder / "config" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return made


def test_a_study_with_a_failed_cell(checkout: Checkout) -> None:
    """The steps build on one another: a run that stops, one that goes on, and what is planned after each."""
    run = checkout.snakemake()
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert "1 of 2 cells failed" in output
    assert "damaged.jsonl" in output
    assert not (checkout.folder / "results/comparison").exists()
    assert any((checkout.folder / "results/failed").iterdir())

    run = checkout.snakemake(*TOLERANT)
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    assert "! external_tiny/second/stock/launch-1: failed: the load generator" in output
    comparison = json.loads((checkout.folder / "results/comparison/comparison.json").read_text(encoding="utf-8"))
    rows = {row["cell"]["workload"]: row for row in comparison["cells"]}
    assert rows["first"]["status"] != "no_result"  # a run of half a second may fail a gate; that is not what is tested
    assert rows["second"]["status"] == "no_result"
    assert "damaged.jsonl" in rows["second"]["reason"]
    assert set(rows["second"]["values"].values()) == {None}
    assert [group["workload"] for group in comparison["groups"]] == ["first"]
    measured = (checkout.folder / "results/measured.txt").read_text(encoding="utf-8")
    assert measured.count("measured") == measured.count("failed") == 1

    report = checkout.snakemake("--report", "report.html", *TOLERANT)
    assert report.returncode == 0, report.stderr

    assert checkout.planned(*TOLERANT) == {}  # a failure that is tolerated is not tried again ...
    assert checkout.planned()[JOB] == 1  # ... until it is tolerated no more ...
    forget = checkout.command("forget", "external_tiny/second")
    assert forget.returncode == 0, forget.stderr
    assert checkout.planned(*TOLERANT)[JOB] == 1  # ... or was forgotten


def test_a_study_of_which_every_cell_failed_still_says_so(checkout: Checkout) -> None:
    only = yaml.safe_load((checkout.folder / "config/config.yaml").read_text(encoding="utf-8"))
    only |= {"results": "nothing", "workloads": {"second": only["workloads"]["second"]}}
    (checkout.folder / "config/only.yaml").write_text(yaml.safe_dump(only), encoding="utf-8")
    run = checkout.snakemake("--configfile", "config/only.yaml", *TOLERANT)
    assert run.returncode == 0, run.stdout + run.stderr
    summary = (checkout.folder / "nothing/comparison/summary.txt").read_text(encoding="utf-8")
    assert "! external_tiny/second/stock/launch-1: failed" in summary
