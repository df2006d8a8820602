"""A results folder of the version before this one: recognised, taken over or set aside, never mixed in."""

import json
import shutil
from pathlib import Path

import pytest
from workflow.conftest import Checkout

OLD_KEYS = ("0123456789abcdef", "fedcba9876543210")


@pytest.fixture
def older(finished: Checkout, tmp_path: Path) -> Checkout:
    """The finished study as the version before laid it out: no identities, other keys, raw folders of files."""
    folder = tmp_path / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True, ignore=shutil.ignore_patterns(".snakemake"))
    results = folder / "results"
    for entry, old_key in zip(sorted((results / "store").iterdir()), OLD_KEYS, strict=True):
        (entry / "identity.json").unlink()
        run = json.loads((entry / "run.json").read_text()) | {"key": old_key}
        del run["applied"]  # was not recorded
        (entry / "run.json").chmod(0o644)
        (entry / "run.json").write_text(json.dumps(run))
        cell = results / "cells" / "external_tiny" / run["cell"]["workload"] / "stock" / "launch-1"
        for link in (cell / "raw", cell / f"measured-{entry.name}.json"):
            link.unlink()
        entry.rename(entry.with_name(old_key))
        shutil.copytree(entry.with_name(old_key), cell / "raw")
    return Checkout(folder)


def test_older_measurements_are_neither_used_nor_measured_again_without_a_word(older: Checkout) -> None:
    run = older.snakemake("-n")
    assert run.returncode == 1
    assert "from before keys were part of paths" in run.stdout + run.stderr
    assert "python -m llmdvfs migrate" in run.stdout + run.stderr


def test_taken_over_they_need_no_measurement(older: Checkout) -> None:
    run = older.command("migrate")
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("is now") == 2
    study = older.snakemake()
    assert study.returncode == 0, study.stdout + study.stderr
    assert "2 of 2 cells are in the store already" in study.stdout + study.stderr
    entries = list((older.folder / "results" / "store").iterdir())
    taken = [json.loads((entry / "identity.json").read_text())["taken_over"]["key"] for entry in entries]
    assert sorted(taken) == sorted(OLD_KEYS)
    assert older.planned() == {}


def test_set_aside_they_are_measured_again_and_kept(older: Checkout) -> None:
    run = older.command("migrate", "--set-aside")
    assert run.returncode == 0, run.stderr
    assert older.planned()["benchmark_external_tiny_launch_1"] == 1
    forgotten = older.folder / "results" / "forgotten"
    assert sorted(path.name for path in forgotten.iterdir()) == sorted(f"{key}.1" for key in OLD_KEYS)


def test_an_older_measurement_of_something_else_is_left_alone(older: Checkout) -> None:
    assert older.snakemake("-n", "--config", "seed=5").returncode == 0
    run = older.command("migrate", "--config", "seed=5")
    assert "no older measurement that this study asks for" in run.stdout
    assert sorted(path.name for path in (older.folder / "results" / "store").iterdir()) == sorted(OLD_KEYS)
