"""Runs a study on the SLURM of one node as somebody on its head node does, and looks what is left of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psutil
from cluster.one_node import OneNode
from modelled.server import ROOT
from modelled.study import Modelled

from llmdvfs.host.lock import take_lock

WAIT_LIMIT_S = 240.0
UNFINISHED = "PENDING,RUNNING,COMPLETING"


class InFolder(Protocol):
    """A study that has a folder of its own, with config.yaml and the locks of its jobs in it."""

    @property
    def folder(self) -> Path: ...


@contextmanager
def submitted(
    cluster: OneNode, study: Modelled, library: Path, target: str = "analysed"
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Give what starts Snakemake, with further arguments, as on a cluster's head node.

    No GPU is seen there but by the jobs' own environment.
    """
    with study.prepared(library) as environment, snakemakes(cluster, study, environment, target) as start:
        yield start


@contextmanager
def snakemakes(
    cluster: OneNode, study: InFolder, environment: Mapping[str, str], target: str
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Give what starts Snakemake, with further arguments, where the cluster's commands are."""
    command = [
        *cluster.enters,
        str(Path(sys.executable).parent / "snakemake"), target,
        "--snakefile", str(ROOT / "Snakefile"), "--profile", str(ROOT / "profiles" / "slurm"),
        "--configfile", "config.yaml",
        "--slurm-no-account", "--slurm-status-command", "squeue",  # no accounting here
        "--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2",
    ]  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        with (study.folder / f"snakemake-{len(started)}.log").open("w") as log:
            run = subprocess.Popen(
                [*command, *arguments],
                cwd=study.folder,
                env={**environment, **cluster.environment()},
                stdout=log,
                stderr=log,
                text=True,
                preexec_fn=_takes_ctrl_c,
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


def _takes_ctrl_c() -> None:
    """Undo what a shell does to what it starts in the background: it would ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def said(study: InFolder) -> str:
    return "".join(log.read_text() for log in sorted(study.folder.glob("snakemake-*.log")))[-6000:]


def launches(
    cluster: OneNode, numbers: tuple[int, ...], deployment: str = "single_modelled", state: str = "RUNNING"
) -> list[str]:
    """Return the SLURM jobs of a state that measure these launches of a deployment."""
    ours = cluster.jobs(state).items()
    return [job for job, rule in ours if any(f"benchmark_{deployment}_launch_{n}" in rule for n in numbers)]


def start_alone_first(cluster: OneNode, deployments: tuple[str, ...] = ("single_modelled",)) -> None:
    """Let jobs start that wait on a cluster that is held, and first those that want the node to themselves.

    The executor plugin submits them by threads, in any order: one that is alone between two others keeps them apart.
    """
    for deployment in deployments:
        [job] = launches(cluster, (1,), deployment, "PENDING")
        cluster.first(job)
    cluster.release()


def wait_until(
    is_so: Callable[[], bool], run: "subprocess.Popen[str]", study: InFolder, limit_s: float = WAIT_LIMIT_S
) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert run.poll() is None, said(study)
        assert time.monotonic() < deadline, said(study)
        time.sleep(0.2)


def nothing_is_left(cluster: OneNode, study: InFolder) -> None:
    """No job, no process that has the study's environment, no GPU or host that is locked."""
    deadline = time.monotonic() + 30
    while (left := [*processes_of(study), *cluster.jobs(UNFINISHED)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []
    for lock in (study.folder / "locks").glob("*.lock"):
        handle = take_lock(lock)
        assert handle is not None, lock
        os.close(handle)


def processes_of(study: InFolder) -> list[str]:
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
