"""What runs of a study before anybody has asked for a measurement."""

from pathlib import Path

from workflow.conftest import copy_checkout


def test_a_dry_run_asks_for_versions_and_runs_nothing_else(tmp_path: Path) -> None:
    """A study names a program: to look at what it would do must not do it."""
    calls, python = tmp_path / "calls", tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$1" >> {calls}\n'
        'echo \'{"vllm": "0.32.0", "torch": "2.13.0+cpu", "python": "3.12.3"}\'\n'
    )
    python.chmod(0o755)
    checkout = copy_checkout(tmp_path, "http://127.0.0.1:9")
    checkout.edit("config/config.yaml", "- external", "- single")
    checkout.edit("config/config.yaml", "serving:\n", f"serving:\n  python: {python}\n")
    run = checkout.snakemake("-n")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "benchmark_single_tiny_launch_1" in run.stdout + run.stderr
    assert set(calls.read_text().split()) == {"-c"}
    assert not (tmp_path / "results").exists()
