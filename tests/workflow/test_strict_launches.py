"""One launch, one start of its servers: what `strict_launches` plans and measures."""

import json
import shutil
from pathlib import Path

import pytest
from workflow.conftest import Checkout

STRICT = ("--config", "strict_launches=true")
JOB = "benchmark_external_tiny_launch_1"


@pytest.fixture(scope="module")
def changed(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A finished study of which one workload was changed afterwards."""
    folder = tmp_path_factory.mktemp("changed") / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)
    checkout = Checkout(folder)
    checkout.edit("config/config.yaml", "num_requests: 20", "num_requests: 21")
    return checkout


def starts(checkout: Checkout) -> dict[str, str]:
    """The server start of every workload's cell."""
    files = (checkout.folder / "results/cells").glob("*/*/*/launch-1/raw/run.json")
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    return {run["cell"]["workload"]: run["server_start"]["id"] for run in runs}


def test_strict_measures_the_whole_launch_where_it_would_be_mixed(changed: Checkout) -> None:
    assert changed.to_measure() == {"second"}
    assert changed.to_measure(*STRICT) == {"first", "second"}
    strict = changed.planned(*STRICT)
    assert strict[JOB] == 1


def test_strict_leaves_a_launch_of_one_start_alone(finished: Checkout) -> None:
    assert len(set(starts(finished).values())) == 1
    assert finished.planned(*STRICT) == {}


def test_a_mixed_launch_is_planned_whatever_snakemake_remembers(changed: Checkout, tmp_path: Path) -> None:
    """All its files were there, and only its memory of older parameters had Snakemake measure: `make clean` took it."""
    shutil.copytree(changed.folder, tmp_path / "checkout", symlinks=True)
    copy = Checkout(tmp_path / "checkout")
    run = copy.snakemake("--until", JOB)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(set(starts(copy).values())) == 2
    shutil.rmtree(copy.folder / ".snakemake")
    assert copy.to_measure(*STRICT, "--rerun-triggers", "mtime") == {"first", "second"}


def test_a_mixed_launch_is_measured_anew_in_one_start(changed: Checkout) -> None:
    """For `external` a start is one benchmark job's connection to the endpoint: nobody here starts its servers."""
    before = starts(changed)
    run = changed.snakemake("--until", JOB)
    assert run.returncode == 0, run.stdout + run.stderr
    mixed = starts(changed)
    assert mixed["first"] == before["first"] != mixed["second"]
    assert changed.to_measure(*STRICT) == {"first", "second"}

    run = changed.snakemake("--until", JOB, *STRICT)
    assert run.returncode == 0, run.stdout + run.stderr
    one = starts(changed)
    assert one["first"] == one["second"]
    assert one["first"] not in {*before.values(), *mixed.values()}
    assert len(list(Path(changed.folder, "results/forgotten").iterdir())) == 2  # nothing recorded is removed
    assert JOB not in changed.planned(*STRICT)
