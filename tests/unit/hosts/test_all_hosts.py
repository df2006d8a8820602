"""Hosts of a SLURM job by number."""

from collections.abc import Sequence

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
    monkeypatch.delenv("SLURM_JOB_NODELIST", raising=False)
    with pytest.raises(ConfigError, match="SLURM_JOB_NODELIST is not set"):
        allocated_nodes()


def test_where_no_node_is_named_slurm_is_not_asked() -> None:
    assert addresses(resolved(deployment("10.0.0.1"), allocated_nodes)) == ["10.0.0.1"]
