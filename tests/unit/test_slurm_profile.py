"""What SLURM's executor makes of a launch's resources: its own function, with the resources of the rule."""

import re
from types import SimpleNamespace

import pytest
from readmes import ROOT

submit_string = pytest.importorskip("snakemake_executor_plugin_slurm.submit_string")
utils = pytest.importorskip("snakemake_executor_plugin_slurm.utils")
PARAMS = {
    "run_uuid": "run",
    "slurm_logfile": "job.log",
    "comment_str": "benchmark",
    "account": "",
    "partition": "-p gpu",
    "workdir": "",
}


def resources_of_the_rule() -> dict[str, object]:
    """Return what the rule declares, for a launch that takes 4 GPUs, 24 minutes and 16 threads."""
    text = (ROOT / "workflow" / "rules" / "benchmark.smk").read_text(encoding="utf-8")
    found = dict(re.findall(r"^            (nodes|tasks_per_gpu|slurm_extra)=(.*),$", text, re.MULTILINE))
    return {
        "nodes": int(found["nodes"]),
        "tasks_per_gpu": int(found["tasks_per_gpu"]),
        "slurm_extra": found["slurm_extra"].strip('"'),
        "gpu": 4,
        "runtime": 24,
        "cpus_per_task": 16,
        "mem_mb": 64000,
    }


def test_a_launch_is_one_task_with_all_its_gpus_on_one_node_for_the_planned_time() -> None:
    """Without `nodes` and `tasks_per_gpu` the executor asked for a task a GPU, which SLURM may spread over nodes."""

    class Resources(dict):  # type: ignore[type-arg]
        __getattr__ = dict.__getitem__

    resources = Resources(resources_of_the_rule())
    job = SimpleNamespace(resources=resources, threads=16)
    call = submit_string.get_submit_command(job, PARAMS) + utils.set_gres_string(job)
    words = call.split()
    assert "--nodes=1" in words
    assert not any(word.startswith("--ntasks") for word in words)
    assert "--gpus=4" in words
    assert "--cpus-per-task=16" in words
    assert "--exclusive" in words
    assert words[words.index("-t") + 1] == "24"
