"""Where a checkout and its results lie."""

from pathlib import Path

from workflow.conftest import copy_checkout


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
