"""`serving.hosts`: where instances go, what does not go with several hosts, and what they change in keys."""

from dataclasses import replace
from typing import Any

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cluster import slurm_resources
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.identity import deployment_identity
from llmdvfs.plan.study import Study, make_study
from llmdvfs.records.spec import HostSpec

WORKLOAD = {
    "prompts": {"source": "random", "prompt_tokens": 64, "output_tokens": 8},
    "arrival": {"kind": "closed", "concurrency": 1},
    "duration_s": 5,
}
TWO = [
    {"name": "n0", "address": "10.0.0.1", "roles": ["prefill"]},
    {"name": "n1", "address": "10.0.0.2", "roles": ["decode"], "reach": ["ssh", "-T", "{address}"], "gpus": [2, 3]},
]


def study(hosts: list[dict[str, Any]], architecture: str = "disaggregated", **further: Any) -> Study:
    serving = {"hosts": hosts, "connector": "nixl", **further.pop("serving", {})}
    given = {"architectures": [architecture], "device": "cuda", "workloads": {"w": WORKLOAD}, "serving": serving}
    return make_study(complete_config(given | further), lambda python: {"vllm": "0.23.0"})


def test_instances_go_to_the_hosts_that_take_their_role_in_turns() -> None:
    hosts = [*TWO, {"name": "n2", "address": "10.0.0.3"}]
    (deployment,) = study(hosts, "disaggregated-2p3d").deployments.values()
    placed = [
        host.name
        for role, count in deployment.num_instances.items()
        for host in [deployment.host_of(role, number) for number in range(count)]
        if host is not None
    ]
    assert placed == ["n0", "n2", "n1", "n2", "n1"]
    assert deployment.hosts[1] == HostSpec(
        "n1", "10.0.0.2", reach=("ssh", "-T", "{address}"), roles=("decode",), gpus=(2, 3)
    )


@pytest.mark.parametrize(
    ("hosts", "further", "says"),
    [
        ([TWO[0], TWO[0]], {}, r"serving\.hosts: 'n0' twice"),
        ([TWO[0]], {}, r"no host takes the role 'decode' of disaggregated_tiny"),
        (TWO, {"serving": {"gpus": [0, 1]}}, r"serving\.gpus: \[0, 1\]: expected null beside serving\.hosts"),
        (TWO, {"measure": {"soak": "auto"}}, r"measure\.soak: auto: expected it off beside serving\.hosts"),
        (
            TWO,
            {"operating_points": {"low": {"sm_clock_mhz": {"decode": 900}}}},
            r"operating_points\.low: .*stock alone",
        ),
        ([{"name": "n0", "address": "a b"}], {}, r"serving\.hosts\.0\.address: .*slurm:N"),
    ],
    ids=["twice", "no decode", "gpus", "soak", "clocks", "address"],
)
def test_what_does_not_go_with_several_hosts_is_refused(
    hosts: list[dict[str, Any]], further: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        study(hosts, **further)


def test_files_need_a_folder_that_the_hosts_share() -> None:
    with pytest.raises(ConfigError, match="passes KV cache as files"):
        study(TWO, device="cpu", serving={"connector": "example"})
    shared = [{**host, "folder": "/shared"} for host in TWO]
    study(shared, device="cpu", serving={"connector": "example"})


def test_nixl_needs_a_generated_model_at_one_path() -> None:
    """NIXL compares hashes that the path is part of: two engines with one model at two paths refuse each other."""
    apart = [{**host, "folder": f"/scratch/{host['name']}"} for host in TWO]
    with pytest.raises(ConfigError, match="same path on all hosts"):
        study(apart, serving={"connector": "nixl"})
    study(TWO, serving={"connector": "nixl"})
    study([{**host, "folder": "/scratch"} for host in TWO], serving={"connector": "nixl"})


def test_how_a_host_is_reached_does_not_change_a_measurement() -> None:
    (deployment,) = study(TWO).deployments.values()
    elsewhere = tuple(
        replace(host, address="n.example", reach=("srun",), python="/p", folder="/f") for host in deployment.hosts
    )
    assert deployment_identity(replace(deployment, hosts=elsewhere)) == deployment_identity(deployment)
    other_network = (replace(deployment.hosts[0], kv_devices="mlx5_0:1"), deployment.hosts[1])
    assert deployment_identity(replace(deployment, hosts=other_network)) != deployment_identity(deployment)
    assert "hosts" not in deployment_identity(replace(deployment, hosts=()))


def test_a_job_asks_for_as_many_nodes_as_the_study_names() -> None:
    nodes = [{**host, "address": f"slurm:{number}"} for number, host in enumerate(TWO)]
    (deployment,) = study(nodes).deployments.values()
    assert slurm_resources(deployment, {})["nodes"] == 2
    (deployment,) = study(TWO).deployments.values()
    assert slurm_resources(deployment, {})["nodes"] == 1


NODE7 = {"name": "node7", "url": "http://10.0.0.7:9400/metrics", "gpus": [0, 1]}


def exported(*exporters: dict[str, Any]) -> dict[str, Any]:
    serving = {"base_url": "http://10.0.0.7:8000", "connector": "auto", "exporters": list(exporters)}
    (deployment,) = study([], "external", serving=serving).deployments.values()
    return deployment_identity(deployment)


def test_whose_power_is_told_is_part_of_a_measurement_and_where_is_not() -> None:
    assert exported(NODE7) == exported(NODE7 | {"url": "http://other:9400/metrics"})
    assert exported(NODE7) != exported(NODE7 | {"gpus": [0]})
    assert "exporters" not in exported()  # measurements from before there were any keep their keys


def test_exporters_are_for_endpoints_of_others_and_each_has_a_name() -> None:
    with pytest.raises(ConfigError, match=r"serving\.exporters: expected architectures: \[external\]"):
        study([], "single", serving={"connector": "auto", "exporters": [NODE7]})
    with pytest.raises(ConfigError, match=r"serving\.exporters: 'node7' twice"):
        exported(NODE7, NODE7)
