"""What SLURM is asked for, by value and as the executor plugin's own command builder writes it."""

from types import SimpleNamespace
from typing import Any

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.plan.cluster import slurm_resources
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, ModelSpec


def deployment(device: str = "cuda", size: int = 1) -> DeploymentSpec:
    engine = EngineSpec(tensor_parallel_size=size)
    model = ModelSpec("q", "shape", "qwen3-8b")
    both: Any = {"prefill": engine, "decode": engine}
    return DeploymentSpec("d", "disaggregated", model, device, both, {"prefill": 1, "decode": 1})  # type: ignore[arg-type]


def test_one_node_its_gpus_and_the_cpus_of_the_processes() -> None:
    """4 of its own, and twice 2 for a server and 2 for its ranks: 12; all cores of the node had been asked for."""
    asked = slurm_resources(deployment(size=2), {})
    assert asked == {"nodes": 1, "cpus_per_task": 12, "slurm_extra": "--exclusive", "gpu": 4}


def test_a_launch_with_neighbours_leaves_them_room_on_its_node() -> None:
    """`measure.side_by_side` on a cluster: each launch had the node to itself, so that none was beside another."""
    assert slurm_resources(deployment(), {}, beside=True) == {"nodes": 1, "cpus_per_task": 10, "gpu": 2}


def test_a_cpu_study_asks_for_no_gpu() -> None:
    assert "gpu" not in slurm_resources(deployment("cpu"), {})


def test_a_gpu_type_with_hyphens_goes_past_the_plugin() -> None:
    asked = slurm_resources(deployment(), {"LLMDVFS_SLURM_GPU_TYPE": "a100-sxm4-80gb"})
    assert asked["slurm_extra"] == "--exclusive --gpus-per-node=a100-sxm4-80gb:2"
    assert "gpu" not in asked  # SLURM: "Invalid GRES specification (with and without type identification)"


def test_what_is_no_gpu_type_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"LLMDVFS_SLURM_GPU_TYPE='a100; rm': expected a GRES type"):
        slurm_resources(deployment(), {"LLMDVFS_SLURM_GPU_TYPE": "a100; rm"})


class Resources(dict[str, Any]):
    """A job's resources as the plugin reads them: by name, and by key."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


@pytest.mark.parametrize("gpu_type", ["", "a100-sxm4-80gb"])
def test_the_plugin_writes_that_into_its_command(gpu_type: str) -> None:
    submit = pytest.importorskip("snakemake_executor_plugin_slurm.submit_string")
    utils = pytest.importorskip("snakemake_executor_plugin_slurm.utils")
    validation = pytest.importorskip("snakemake_executor_plugin_slurm.validation")
    asked = slurm_resources(deployment(), {"LLMDVFS_SLURM_GPU_TYPE": gpu_type})
    job = SimpleNamespace(resources=Resources(asked), threads=64, is_group=lambda: False)
    validation.validate_slurm_extra(job)  # raises for what the plugin keeps to itself
    params = {"run_uuid": "u", "slurm_logfile": "l", "comment_str": "c", "account": "", "partition": "", "workdir": ""}
    command = submit.get_submit_command(job, params) + utils.set_gres_string(job)
    words = command.split()
    assert {"--nodes=1", "--cpus-per-task=10", "--exclusive"} <= set(words)
    assert [word for word in words if word.startswith("--gpus")] == [
        f"--gpus-per-node={gpu_type}:2" if gpu_type else "--gpus=2"
    ]
