"""`python -m llmdvfs search` as a user starts it: real Snakemake, clocks of fake GPUs, scripted servers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fakes.nvml import FakeNvml
from fakes.vllm_server import python_with_fake_vllm

from llmdvfs.models.tiny import write_tiny_model

CHECKOUT = Path(__file__).parents[2]
RUN_LIMIT_S = 600  # of a machine that does other things too


class Searching:
    """A checkout, a GPU and a study of two clocks, with two launches to confirm."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        for part in ("workflow", "profiles", "envs"):
            shutil.copytree(CHECKOUT / part, folder / part)
        shutil.copy2(CHECKOUT / "Snakefile", folder)
        write_tiny_model(folder / "model", 0)
        (folder / "tmp").mkdir()
        self.gpus = FakeNvml(folder / "gpus", 1, library=library)
        self.gpus.set_power(0, 400.0)
        study = {
            "launches": 2,
            "architectures": ["single"],
            "device": "cuda",
            "models": {"m": {"source": "path", "location": str(folder / "model")}},
            "workloads": {
                "decode": {
                    "isolates": "decode",
                    "prompts": {"prompt_tokens": 16, "output_tokens": 8},
                    "arrival": {"kind": "closed", "concurrency": 2},
                    "duration_s": 1.0,
                    "num_warmup_requests": 0,
                }
            },
            "search": {"sm_clock_mhz": {"all": "1380..1980/600"}},
            "serving": {"python": python_with_fake_vllm(folder)},
            "measure": {"idle_s": 0.3, "calibrate_client": False},
            "figures": {"cells": "none"},
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        own = {"TMPDIR": str(self.folder / "tmp"), "LLMDVFS_LOCK_FOLDER": str(self.folder / "tmp")}
        own |= {"FAKE_VLLM": str(self.folder), "PYTHONPATH": str(self.folder / "workflow")}
        return {**os.environ, **self.gpus.environment(), **own}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "llmdvfs", "search", "--configfile", "study.yaml", *arguments]
        command += ["--", "--until", "analysed", "answer"]  # no figures of cells: they take half of the time
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        with self.start(*arguments) as child:
            output, _ = child.communicate(timeout=RUN_LIMIT_S)
        assert child.returncode == 0, output
        return output

    def stored(self) -> dict[str, int]:
        """Return when each finished measurement entered the store."""
        return {path.parent.name: path.stat().st_mtime_ns for path in self.folder.glob("results/store/*/run.json")}


@pytest.fixture(scope="module")
def searching(nvml_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searching]:
    made = Searching(tmp_path_factory.mktemp("searching"), nvml_library)
    yield made
    made.gpus.close()


def test_a_search_by_one_command_goes_on_after_a_kill_and_ends_in_answers(searching: Searching) -> None:
    """The steps build on one another: a dry run, a search that is killed in its first round, and one to the end."""
    said = searching.run("-n")
    assert "single_m / decode: round over the range, launch 1: stock; single at 1380, 1980 MHz" in said
    assert not (searching.folder / "results").exists()

    killed = searching.start()
    deadline_s = time.monotonic() + RUN_LIMIT_S
    while not searching.stored():
        assert time.monotonic() < deadline_s
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=RUN_LIMIT_S)  # until Snakemake, which it had started, has closed the pipe too
    before = searching.stored()

    output = searching.run()
    assert "search: single_m / decode:" in output
    after = searching.stored()
    assert before.items() <= after.items(), "a finished cell was measured again"
    assert len(after) == 7  # two clocks and stock; the clock found and stock in two launches
    answers = json.loads((searching.folder / "results/answers/answers.json").read_text())["answers"][0]
    lowest = answers["choices"][0]
    assert (lowest["point"], lowest["basis"]) == ("single-1380", "confirming_launches")
    assert "no further clock near the lowest" in answers["search"]

    assert "cells to measure" not in searching.run()
    assert searching.stored() == after


@pytest.mark.parametrize("name", ["dvfs.yaml", "studies/cap-against-lock.yaml", "studies/disaggregation.yaml"])
def test_study_files_are_planned_by_their_commands(name: str, tmp_path: Path) -> None:
    """What stands in the head of a study file works as it is printed; no GPU is needed to plan."""
    path = str(CHECKOUT / "config" / name)
    search = [sys.executable, "-m", "llmdvfs", "search", "-n", "--configfile", path, "--config", f"results={tmp_path}"]
    plan = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--directory", str(tmp_path), "--configfile", path]
    command = search if name == "dvfs.yaml" else plan
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "workflow")}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("server starts (2)" if name == "dvfs.yaml" else "benchmark_single") in done.stdout + done.stderr
