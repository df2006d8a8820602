"""Hosts of a SLURM job by number."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.hosts.all_hosts import allocated_nodes, resolved
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, HostSpec, ModelSpec


def deployment(*addresses: str) -> DeploymentSpec:
    hosts = tuple(HostSpec(f"n{number}", address) for number, address in enumerate(addresses))
    return DeploymentSpec(
        "d", "single", ModelSpec("m", "hub", "x"), "cuda", {"single": EngineSpec()}, {"single": 1}, hosts=hosts
    )


def addresses(spec: DeploymentSpec) -> list[str]:
    return [host.address for host in spec.hosts]


def two_nodes() -> Sequence[str]:
    return ["gpu07", "gpu12"]


def test_nodes_of_the_allocation_take_the_place_of_their_numbers() -> None:
    assert addresses(resolved(deployment("slurm:1", "10.0.0.1", "slurm:0"), two_nodes)) == [
        "gpu12",
        "10.0.0.1",
        "gpu07",
    ]


def test_a_node_that_the_job_does_not_have_is_told() -> None:
    with pytest.raises(ConfigError, match=r"n0 is slurm:2, and the allocation has 2 nodes \(gpu07, gpu12\)"):
        resolved(deployment("slurm:2"), two_nodes)


def test_outside_of_a_job_there_are_no_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(ConfigError, match="SLURM_JOB_ID is not set"):
        allocated_nodes()


def test_in_a_step_on_one_node_the_jobs_other_nodes_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the executor plugin starts a rule the variable has its step's nodes: `slurm:1` was never there."""
    commands = {"squeue": '[ "$*" = "--noheader --format=%N --jobs=71" ] && echo gpu[07,12]'}
    commands["scontrol"] = '[ "$*" = "show hostnames gpu[07,12]" ] && printf "gpu07\\ngpu12\\n"'
    for name, script in commands.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "gpu07")
    assert allocated_nodes() == ["gpu07", "gpu12"]


def test_a_slurm_that_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    with pytest.raises(ConfigError, match="squeue cannot say which nodes this job has"):
        allocated_nodes()


def test_where_no_node_is_named_slurm_is_not_asked() -> None:
    assert addresses(resolved(deployment("10.0.0.1"), allocated_nodes)) == ["10.0.0.1"]
