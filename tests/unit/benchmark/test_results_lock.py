"""Two runs may share a results folder without sharing a host's locks."""

import logging
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from unit.benchmark.test_launch import JOB, LAUNCH, POINTS, delivered, ends_with, measured

from llmdvfs.__main__ import main
from llmdvfs.benchmark import launch
from llmdvfs.benchmark.results_lock import launch_lock, results_lock
from llmdvfs.benchmark.store import draft
from llmdvfs.errors import ConfigError

__all__ = ["measured"]
NAME = f"{LAUNCH.deployment.id}.launch-{JOB.launch}"


def test_what_another_run_measured_meanwhile_is_not_measured_again(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was looked for before the lock: two checkouts with one results folder measured all of it twice, and failed."""
    ends_with(monkeypatch, measured, {})
    caplog.set_level(logging.INFO)
    waiting = threading.Thread(target=launch.measure_launch, args=(LAUNCH, JOB, tmp_path))
    with launch_lock(tmp_path, NAME):
        waiting.start()
        while "waiting: another run measures into" not in caplog.text:
            waiting.join(0.01)
        for point in ("stock", "low"):
            with draft(tmp_path, f"key-{point}") as folder:
                (folder / "run.json").write_text("{}")
    waiting.join()
    assert measured[:3] == ["servers start", "lower", "servers stop"]
    assert delivered(tmp_path) == ["stock", "low", "lower"]


def test_launches_of_one_study_are_measured_on_many_hosts_at_once(
    measured: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One lock of the whole folder let one node of a cluster measure, and every other one wait in its allocation."""
    ends_with(monkeypatch, measured, {})
    other = replace(JOB, launch=JOB.launch + 1)
    with launch_lock(tmp_path, NAME):
        launch.measure_launch(LAUNCH, other, tmp_path)
    assert [ran for ran in measured if ran in POINTS] == [cell.point for cell in JOB.cells]


def test_forgetting_is_refused_while_a_run_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a run is about to deliver would have been taken from under it."""
    cell = tmp_path / "cells" / "d" / "w" / "p" / "launch-1"
    cell.mkdir(parents=True)
    (cell / "measured-0123456789abcdef.json").write_text("{}")
    with launch_lock(tmp_path, NAME):
        assert main(["forget", "d", "--results", str(tmp_path)]) == 1
    assert f"a run measures into it (process {os.getpid()}, {NAME})" in capsys.readouterr().err
    assert main(["forget", "d", "--results", str(tmp_path)]) == 0


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ConfigError, match="of the block"), results_lock(tmp_path):
            raise ConfigError("of the block")
