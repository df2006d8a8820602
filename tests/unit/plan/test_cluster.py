"""What SLURM is asked for, by value and as the executor plugin's own command builder writes it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cluster import slurm_resources
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, HostSpec, ModelSpec


def deployment(device: str = "cuda", size: int = 1) -> DeploymentSpec:
    engine = EngineSpec(tensor_parallel_size=size)
    model = ModelSpec("q", "shape", "qwen3-8b")
    both: Any = {"prefill": engine, "decode": engine}
    return DeploymentSpec("d", "disaggregated", model, device, both, {"prefill": 1, "decode": 1})  # type: ignore[arg-type]


def test_one_node_its_gpus_and_the_cpus_of_the_processes() -> None:
    """4 of its own, and twice 2 for a server and 2 for its ranks: 12; all cores of the node had been asked for."""
    asked = slurm_resources(deployment(size=2), {})
    assert asked == {"nodes": 1, "cpus_per_task": 12, "slurm_extra": "--exclusive", "gpu": 4, "tasks_per_gpu": 0}


def test_a_launch_with_neighbours_leaves_them_room_on_its_node() -> None:
    """`measure.side_by_side` on a cluster: each launch had the node to itself, so that none was beside another."""
    assert slurm_resources(deployment(), {}, beside=True) == {
        "nodes": 1,
        "cpus_per_task": 10,
        "gpu": 2,
        "tasks_per_gpu": 0,
    }


def test_a_cpu_study_asks_for_no_gpu() -> None:
    assert "gpu" not in slurm_resources(deployment("cpu"), {})


def test_a_gpu_type_with_hyphens_goes_past_the_plugin() -> None:
    asked = slurm_resources(deployment(), {"LLMDVFS_SLURM_GPU_TYPE": "a100-sxm4-80gb"})
    assert asked["slurm_extra"] == "--exclusive --gpus-per-node=a100-sxm4-80gb:2"
    assert "gpu" not in asked  # SLURM: "Invalid GRES specification (with and without type identification)"


def test_what_is_no_gpu_type_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"LLMDVFS_SLURM_GPU_TYPE='a100; rm': expected a GRES type"):
        slurm_resources(deployment(), {"LLMDVFS_SLURM_GPU_TYPE": "a100; rm"})


def over_nodes(device: str, **hosts: Any) -> DeploymentSpec:
    """A deployment over nodes of the job: name -> roles."""
    specs = tuple(HostSpec(name, f"slurm:{n}", roles=roles) for n, (name, roles) in enumerate(hosts.items()))
    return replace(deployment(device), hosts=specs)


def test_a_job_over_two_nodes_has_a_task_for_each() -> None:
    """SLURM gave one node to `--nodes=2 --ntasks=1`, which the plugin writes by itself: no such study could run."""
    asked = slurm_resources(over_nodes("cpu", n0=("prefill",), n1=("decode",)), {})
    assert (asked["nodes"], asked["tasks"]) == (2, 2)
    assert "--nodes=2" in written(asked)
    assert "--ntasks=2" in written(asked)


@pytest.mark.parametrize("gpu_type", ["", "h100"])
def test_each_node_has_the_gpus_of_the_host_with_most(gpu_type: str) -> None:
    """1P3D: one GPU and three. Of `--gpus=4` SLURM may well put two on each node."""
    spec = replace(over_nodes("cuda", n0=("prefill",), n1=("decode",)), num_instances={"prefill": 1, "decode": 3})
    asked = slurm_resources(spec, {"LLMDVFS_SLURM_GPU_TYPE": gpu_type})
    gpus = [word for word in written(asked) if "gpu" in word]
    assert gpus == [f"--gpus-per-node={gpu_type}{':' if gpu_type else ''}3"]
    assert {"--nodes=2", "--ntasks=2"} <= set(written(asked))


def test_a_job_on_one_node_is_one_task_with_all_its_gpus() -> None:
    """The plugin 2.6.1 asked for a task for each GPU: 2 GPUs were 20 CPUs, which side by side kept neighbours out."""
    words = written(slurm_resources(deployment(), {}))
    assert {"--gpus=2", "--cpus-per-task=10"} <= set(words)
    assert not [word for word in words if word.startswith("--ntasks")]


class Resources(dict[str, Any]):
    """A job's resources as the plugin reads them: by name, and by key."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def written(asked: dict[str, int | str]) -> list[str]:
    """Return the words of the command that the plugin makes of a job's resources."""
    submit = pytest.importorskip("snakemake_executor_plugin_slurm.submit_string")
    utils = pytest.importorskip("snakemake_executor_plugin_slurm.utils")
    validation = pytest.importorskip("snakemake_executor_plugin_slurm.validation")
    job = SimpleNamespace(resources=Resources(asked), threads=64, is_group=lambda: False)
    validation.validate_slurm_extra(job)  # raises for what the plugin keeps to itself
    params = {"run_uuid": "u", "slurm_logfile": "l", "comment_str": "c", "account": "", "partition": "", "workdir": ""}
    command: str = submit.get_submit_command(job, params) + utils.set_gres_string(job)
    return command.split()


@pytest.mark.parametrize("gpu_type", ["", "a100-sxm4-80gb"])
def test_the_plugin_writes_that_into_its_command(gpu_type: str) -> None:
    words = written(slurm_resources(deployment(), {"LLMDVFS_SLURM_GPU_TYPE": gpu_type}))
    assert {"--nodes=1", "--cpus-per-task=10", "--exclusive"} <= set(words)
    assert [word for word in words if word.startswith("--gpus")] == [
        f"--gpus-per-node={gpu_type}:2" if gpu_type else "--gpus=2"
    ]
