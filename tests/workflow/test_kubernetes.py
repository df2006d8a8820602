"""A study with the profile for Kubernetes, on a scripted API server that runs the pods as processes. MODELLED engines.

What a real cluster makes of the job's spec (kubelet, scheduler, device plugin, volumes) is not shown by it.
"""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.kubernetes import ScriptedKubernetes
from modelled.server import ROOT
from modelled.side_by_side import CELLS, STUDY
from modelled.study import Modelled

pytest.importorskip("snakemake_executor_plugin_kubernetes", reason="no snakemake-executor-plugin-kubernetes")

PROFILE = ROOT / "profiles" / "kubernetes"
GOLDEN = ROOT / "tests" / "golden" / "kubernetes_job.yaml"
ONE_GPU = STUDY | {
    "launches": 1,
    "serving": STUDY["serving"] | {"gpus": None},
    "measure": STUDY["measure"] | {"side_by_side": False},
}


def run(study: Modelled, library: Path) -> tuple[subprocess.CompletedProcess[str], ScriptedKubernetes]:
    """Run Snakemake as in a pod that has the volume, and return it with the cluster as it was left."""
    with (
        study.prepared(library) as environment,
        ScriptedKubernetes(study.folder / "cluster", environment) as cluster,
    ):
        paths = [str(PROFILE), environment["PYTHONPATH"], os.environ.get("PYTHONPATH", "")]
        head = {"KUBECONFIG": str(cluster.kubeconfig), "PYTHONPATH": os.pathsep.join(paths)}
        command = [
            str(Path(sys.executable).parent / "snakemake"), "analysed",
            "--snakefile", str(ROOT / "Snakefile"), "--profile", str(PROFILE), "--configfile", "config.yaml",
            "--seconds-between-status-checks", "1",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=study.folder, env=environment | head, capture_output=True, text=True, check=False, timeout=300
        )
    return done, cluster


def launch_of(cluster: ScriptedKubernetes) -> dict[str, Any]:
    [launch] = [job for job in cluster.jobs if "benchmark_" in str(job["spec"]["template"]["spec"]["containers"])]
    return launch


def without_run(job: dict[str, Any], study: Modelled) -> Any:
    """Return the job without what is of this run or machine: names, folders, encoded targets, the head's cores."""
    text = yaml.safe_dump(job, width=1_000_000).replace(str(study.folder), "/shared/study")
    text = text.replace(str(ROOT), "/shared/llm-dvfs")
    for pattern, name in {
        r"snakejob-[0-9a-f-]{36}": "snakejob-ID",
        r"base64//[A-Za-z0-9+/=]+": "base64//ENCODED",
        r"\.snakemake/tmp\.\w+": ".snakemake/TEMPORARY",
        r"--cores \d+": "--cores N",
    }.items():
        text = re.sub(pattern, name, text)
    for option in ("--shared-fs-usage", "--rerun-triggers"):  # Snakemake's sets: in no order
        text = re.sub(rf"(?<={option} )[a-z -]+?(?= --)", lambda words: " ".join(sorted(words[0].split())), text)
    return yaml.safe_load(text)


def test_a_study_is_measured_by_pods_and_nothing_is_left(tmp_path: Path, nvml_library: Path) -> None:
    study = Modelled(tmp_path / "study", ONE_GPU, seed=1)
    done, cluster = run(study, nvml_library)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (study.folder / CELLS / "launch-1" / "raw" / "run.json").exists()
    assert (study.folder / CELLS / "launch-1" / "result.json").exists()
    assert not cluster.pods
    assert not cluster.secrets
    seen = tmp_path / GOLDEN.name
    seen.write_text(yaml.safe_dump(without_run(launch_of(cluster), study), width=100))
    assert seen.read_text() == GOLDEN.read_text(), f"another job's spec: look at {seen}, and copy it if it is meant"


def launch(**resources: Any) -> Any:
    """Return the spec of a launch's pod, as the plugin makes it, completed."""
    client = pytest.importorskip("kubernetes.client")
    shared = importlib.import_module("snakemake_executor_plugin_kubernetes_shared")
    requests = {"cpu": "1900m", "memory": "64000M", "nvidia.com/gpu": str(resources.pop("gpu"))}
    container = client.V1Container(
        name="snakemake", volume_mounts=[], resources=client.V1ResourceRequirements(requests=requests)
    )
    template = client.V1PodTemplateSpec(spec=client.V1PodSpec(containers=[container], volumes=[]))
    job = client.V1Job(spec=client.V1JobSpec(template=template))
    return shared.completed(job, {"runtime": 12, "cpus_per_task": 10, **resources})


def test_gpus_are_limits_and_cpus_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes refuses a GPU that is requested without a limit; the plugin sets none, or of CPUs too."""
    monkeypatch.syspath_prepend(str(PROFILE))
    job = launch(gpu=2, slurm_extra="--exclusive")
    [container] = job.spec.template.spec.containers
    assert container.resources.limits == {"nvidia.com/gpu": "2"}
    assert container.resources.requests == {"cpu": "10", "memory": "64000M", "nvidia.com/gpu": "2"}
    assert job.spec.template.spec.active_deadline_seconds == 720


def test_launches_side_by_side_may_share_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both bear the label, so that one which has to be alone keeps off their node, and they off its."""
    monkeypatch.syspath_prepend(str(PROFILE))
    beside, alone = launch(gpu=1), launch(gpu=1, slurm_extra="--exclusive")
    assert beside.spec.template.spec.affinity is None
    assert alone.spec.template.spec.affinity.pod_anti_affinity is not None
    assert beside.spec.template.metadata.labels == alone.spec.template.metadata.labels == {"llm-dvfs": "measures"}
