"""A whole study on a SLURM of one node with two fake GPUs, with the profile that users take. MODELLED engines."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from cluster.one_node import OneNode, missing_for_slurm
from modelled.server import ROOT
from modelled.side_by_side import CELLS, STUDY, runs_of_two_at_once
from modelled.study import Modelled

from llmdvfs.host.lock import take_lock

MISSING = missing_for_slurm()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(900),
]
WAIT_LIMIT_S = 240.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[OneNode]:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no snakemake-executor-plugin-slurm")
    with OneNode.started(tmp_path / "slurm", num_gpus=2) as running:
        yield running


@contextmanager
def submitted(cluster: OneNode, study: Modelled, library: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Give what starts Snakemake as on a cluster's head node: no GPU is seen there but by the jobs' own environment."""
    command = [
        str(Path(sys.executable).parent / "snakemake"), "analysed",
        "--snakefile", str(ROOT / "Snakefile"), "--profile", str(ROOT / "profiles" / "slurm"),
        "--configfile", "config.yaml",
        "--slurm-no-account", "--slurm-status-command", "squeue",  # no accounting here
        "--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2",
    ]  # fmt: skip
    started: list[subprocess.Popen[str]] = []
    with study.prepared(library) as environment:

        def start() -> "subprocess.Popen[str]":
            with (study.folder / f"snakemake-{len(started)}.log").open("w") as log:
                run = subprocess.Popen(
                    command,
                    cwd=study.folder,
                    env=environment | cluster.environment(),
                    stdout=log,
                    stderr=log,
                    text=True,
                )
            started.append(run)
            return run

        try:
            yield start
        finally:
            for run in started:
                if run.poll() is None:
                    run.kill()
                    run.wait()


def said(study: Modelled) -> str:
    return "".join(log.read_text() for log in sorted(study.folder.glob("snakemake-*.log")))[-6000:]


def launches(cluster: OneNode, numbers: tuple[int, ...]) -> list[str]:
    """Return the SLURM jobs that are running and measure these launches."""
    ours = cluster.jobs("RUNNING").items()
    return [job for job, rule in ours if any(f"benchmark_single_modelled_launch_{n}" in rule for n in numbers)]


def wait_until(is_so: Callable[[], bool], run: "subprocess.Popen[str]", study: Modelled) -> None:
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not is_so():
        assert run.poll() is None, said(study)
        assert time.monotonic() < deadline, said(study)
        time.sleep(0.2)


def nothing_is_left(cluster: OneNode, study: Modelled) -> None:
    """No job, no process that has the study's environment, no GPU or host that is locked."""
    deadline = time.monotonic() + 30
    while (left := _processes_of(study)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []
    assert not cluster.jobs("PENDING,RUNNING,COMPLETING")
    for lock in (study.folder / "locks").glob("*.lock"):
        handle = take_lock(lock)
        assert handle is not None, lock
        os.close(handle)


def _processes_of(study: Modelled) -> list[str]:
    own = f"LLMDVFS_LOCK_FOLDER={study.folder}/locks"
    found = []
    for process in psutil.process_iter():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace").split("\0")
            if own in environment:
                found.append(f"{process.pid} {process.cmdline()}")
        except (OSError, psutil.Error):
            continue
    return found


def test_two_cells_at_a_time_on_gpus_of_their_own(tmp_path: Path, nvml_library: Path, cluster: OneNode) -> None:
    """Launch 1 has the node to itself. 2 and 3 measure at once, on the GPU that SLURM dealt to each."""
    study = Modelled(tmp_path / "study", STUDY, seed=1, num_gpus=2)
    with submitted(cluster, study, nvml_library) as start:
        assert start().wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    runs_of_two_at_once(study.folder)


def test_a_cancelled_job_costs_its_launch_alone(tmp_path: Path, nvml_library: Path, cluster: OneNode) -> None:
    """`scancel` of one of two launches under load: its servers end, the other is measured, the next run makes it."""
    study = Modelled(tmp_path / "study", STUDY | {"launches": 2}, seed=1, num_gpus=2)
    with submitted(cluster, study, nvml_library) as start:
        run = start()
        raw = study.folder / CELLS
        wait_until(lambda: bool(launches(cluster, (2,))) and _has_servers(study), run, study)
        (job,) = launches(cluster, (2,))
        cluster.ask("scancel", job)
        assert run.wait(WAIT_LIMIT_S) == 1
        nothing_is_left(cluster, study)
        assert (raw / "launch-1" / "raw" / "run.json").exists()
        assert not (raw / "launch-2" / "raw").exists()
        first = (raw / "launch-1" / "raw" / "run.json").stat().st_mtime_ns
        assert start().wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    assert (raw / "launch-2" / "raw" / "run.json").exists()
    assert (raw / "launch-1" / "raw" / "run.json").stat().st_mtime_ns == first


def test_a_killed_slurmd_costs_nothing(tmp_path: Path, nvml_library: Path, cluster: OneNode) -> None:
    """The node's daemon dies under load and comes back: jobs live on, their end is noticed."""
    study = Modelled(tmp_path / "study", STUDY | {"launches": 1}, seed=1, num_gpus=2)
    with submitted(cluster, study, nvml_library) as start:
        run = start()
        wait_until(lambda: bool(launches(cluster, (1,))) and _has_servers(study), run, study)
        cluster.kill_slurmd()
        time.sleep(3)
        cluster.start_slurmd()
        assert run.wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    assert (study.folder / CELLS / "launch-1" / "raw" / "run.json").exists()


def _has_servers(study: Modelled) -> bool:
    return any("modelled/server.py" in process for process in _processes_of(study))
