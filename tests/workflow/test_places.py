"""Where a checkout and its results lie."""

import shutil
from pathlib import Path

from workflow.conftest import Checkout, copy_checkout


def test_a_checkout_in_a_path_with_braces(tmp_path: Path) -> None:
    """Snakemake took them for wildcards: in commands, and in the environment's file."""
    folder = tmp_path / "br{a}ce"
    folder.mkdir()
    checkout = copy_checkout(folder, "http://127.0.0.1:9")
    run = checkout.snakemake("results/deployments/external_tiny/launch.json")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (folder / "results" / "deployments" / "external_tiny" / "launch.json").is_file()


def test_a_checkout_in_a_path_with_a_colon_is_refused(tmp_path: Path) -> None:
    """PYTHONPATH has no way to quote one: every job ended with `No module named llmdvfs`."""
    folder = tmp_path / "co:lon"
    folder.mkdir()
    run = copy_checkout(folder, "http://127.0.0.1:9").snakemake("-n")
    assert run.returncode == 1
    assert "co:lon: a colon in the path" in run.stderr
    assert "Traceback" not in run.stderr


def test_results_that_are_a_link_to_nothing_are_refused(tmp_path: Path) -> None:
    """A disk that is not mounted: the measurement began, and failed at its first file."""
    checkout = copy_checkout(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "results").symlink_to("/mnt/not-there")
    run = checkout.snakemake("-n")
    assert run.returncode == 1
    assert "results is a link to /mnt/not-there, which is not there" in run.stderr


def test_a_folder_of_another_machine_is_analysed_here(finished: Checkout, tmp_path: Path) -> None:
    """The store alone, as it is copied or merged, and not all of the study: nothing is measured, and that is said."""
    measured = finished.folder / "results" / "store"
    entries = {len((entry / "requests.jsonl").read_bytes().splitlines()): entry for entry in measured.iterdir()}
    checkout = copy_checkout(tmp_path, "http://127.0.0.1:9")  # nobody is there
    config = (finished.folder / "config" / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config" / "config.yaml").write_text(config.replace("launches: 1", "launches: 2"), encoding="utf-8")
    shutil.copytree(entries[30], tmp_path / "results" / "store" / entries[30].name)
    run = checkout.snakemake("--config", "analyse_only=true")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "analyse_only: 3 of 4 cells are not in results and are left out: external_tiny/second/" in run.stderr
    assert [path.parts[-4] for path in (tmp_path / "results").glob("cells/*/*/*/*/result.json")] == ["first"]
    assert (tmp_path / "results" / "report.html").is_file()
    assert checkout.planned("--config", "analyse_only=true") == {}
