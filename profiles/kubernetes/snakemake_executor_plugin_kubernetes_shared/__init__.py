"""Snakemake's Kubernetes executor for a study on a volume that all pods share: `executor: kubernetes-shared`.

The plugin's own executor assumes that nothing is shared and sends outputs through object storage, which cannot hold the
store of linked folders that this workflow measures into. Shared, its pods work in the study's folder, as a cluster's
jobs do. Everything else is the plugin's: secrets, submission, status, logs, deletion.

And a job gets what a measurement needs and the plugin does not write (0.5.1): its walltime, its GPUs as limits, as many
CPUs as its processes need, shared memory for them, and no other measurement on its node.
"""

from dataclasses import replace
from typing import Any

import snakemake_executor_plugin_kubernetes as plugin
from kubernetes import client
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

common_settings = replace(
    plugin.common_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
)
ExecutorSettings = plugin.ExecutorSettings

SHARED_MEMORY = "/dev/shm"
"""64 MB in a container unless it is a volume; vLLM's ranks and NCCL hand tensors over through it."""
MEASURES = {"llm-dvfs": "measures"}
"""Label of the pods that measure: Kubernetes keeps them apart by it."""


class Executor(plugin.Executor):
    """The plugin's, in a folder that is shared."""

    def get_job_exec_prefix(self, job: JobExecutorInterface) -> str:
        """Return the command that goes to the study's folder: pods begin in one of their own."""
        return f"cd {self.workflow.workdir_init}"

    def run_job(self, job: JobExecutorInterface) -> None:
        """Submit a job."""
        # One for each job: the plugin makes its own client anew after it had to log in again.
        self.batchapi = Completing(dict(job.resources))
        super().run_job(job)


class Completing(client.BatchV1Api):
    """Submits a job with what the plugin leaves out of it."""

    def __init__(self, resources: dict[str, Any]) -> None:
        """Take the resources that Snakemake asks for."""
        super().__init__()
        self._resources = resources

    def create_namespaced_job(self, namespace: str, body: client.V1Job, **options: Any) -> Any:
        """Submit the completed job."""
        return super().create_namespaced_job(namespace, completed(body, self._resources), **options)


def completed(job: client.V1Job, resources: dict[str, Any]) -> client.V1Job:
    """Return the job with walltime and shared memory, and a launch with its CPUs and GPUs, alone if it has to be."""
    pod = job.spec.template.spec
    pod.active_deadline_seconds = 60 * int(resources["runtime"])  # on its node; the job's own counts the queue, too
    memory = client.V1EmptyDirVolumeSource(medium="Memory")  # counts as memory of the container that writes into it
    pod.volumes.append(client.V1Volume(name="shared-memory", empty_dir=memory))
    [container] = pod.containers
    container.volume_mounts.append(client.V1VolumeMount(name="shared-memory", mount_path=SHARED_MEMORY))
    if "cpus_per_task" not in resources:
        return job  # does not measure
    wanted = container.resources.requests
    wanted["cpu"] = str(resources["cpus_per_task"])
    # Devices are refused without a limit; of CPUs one would be kept by stopping the client.
    container.resources.limits = {name: amount for name, amount in wanted.items() if "/" in name} or None
    job.spec.template.metadata = client.V1ObjectMeta(labels=MEASURES)
    if "--exclusive" in resources.get("slurm_extra", ""):
        others = client.V1PodAffinityTerm(
            label_selector=client.V1LabelSelector(match_labels=MEASURES), topology_key="kubernetes.io/hostname"
        )
        apart = client.V1PodAntiAffinity(required_during_scheduling_ignored_during_execution=[others])
        pod.affinity = client.V1Affinity(pod_anti_affinity=apart)
    return job
