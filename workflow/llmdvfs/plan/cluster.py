"""What a launch asks of a cluster's scheduler: one node with its GPUs and as many CPUs as its processes need (pure).

The names are those of snakemake-executor-plugin-slurm; other executors pass over what they do not know.
"""

import re
from collections import Counter
from collections.abc import Mapping

from llmdvfs.errors import ConfigError
from llmdvfs.records.spec import DeploymentSpec

GPU_TYPE_VARIABLE = "LLMDVFS_SLURM_GPU_TYPE"
"""A GRES type as `sinfo -o %G` shows it: the plugin's own `gpu_model` takes none with a hyphen (2.8.0)."""
_GPU_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
OWN_CPUS = 4
"""The job and its load generator, which wants a core to itself, the sampler, the proxy."""
CPUS_OF_A_SERVER = 2
"""Its API server and its engine; each rank has a worker beside them."""
NODE = "slurm:"
"""An address that begins so is a node of the job, by its number from 0."""
ALONE = "--exclusive"
"""Nobody else's jobs beside a measurement; but for launches that are to be measured side by side."""


def slurm_resources(
    deployment: DeploymentSpec, env: Mapping[str, str], *, beside: bool = False
) -> dict[str, int | str]:
    """Return the resources of a deployment's benchmark job; `beside`: of a launch that may have neighbours.

    nodes: 1, since a launch's processes share one clock, one results lock and loopback; without it SLURM may spread
    the GPUs over several nodes. As many as the study names where it spreads its instances itself (`slurm:N`), with a
    task each, and on each the GPUs of the host that has most. env: of the run; raises ConfigError for a GPU type that
    is none.
    """
    wanted: dict[str, int | str] = {
        "nodes": _num_nodes(deployment),
        "cpus_per_task": _num_cpus(deployment),
    }
    extra = [] if beside else [ALONE]
    nodes = _num_nodes(deployment)
    if nodes > 1:
        # The plugin asks for one task where nothing is said, and SLURM gives a job no more nodes than it has tasks.
        wanted["tasks"] = nodes
    gpu_type = env.get(GPU_TYPE_VARIABLE, "")
    if gpu_type and not _GPU_TYPE.fullmatch(gpu_type):
        raise ConfigError(
            f"{GPU_TYPE_VARIABLE}={gpu_type!r}: expected a GRES type as `sinfo -o %G` shows it, e.g. a100-sxm4-80gb"
        )
    if deployment.num_gpus and (gpu_type or nodes > 1):
        # Not beside `gpu`: SLURM refuses a job that asks for GPUs with and without a type. Of a number for all nodes it
        # chooses by itself how many are on which.
        extra.append(f"--gpus-per-node={f'{gpu_type}:' if gpu_type else ''}{_most_gpus(deployment)}")
    elif deployment.num_gpus:
        # Else plugins before 2.8 ask for a task for each GPU, and so for the CPUs of all processes as many times.
        wanted |= {"gpu": deployment.num_gpus, "tasks_per_gpu": 0}
    return wanted | ({"slurm_extra": " ".join(extra)} if extra else {})


def _num_nodes(deployment: DeploymentSpec) -> int:
    named = [int(host.address.removeprefix(NODE)) for host in deployment.hosts if host.address.startswith(NODE)]
    return max(named, default=0) + 1


def _most_gpus(deployment: DeploymentSpec) -> int:
    """Return how many GPUs the host with the most of them has instances on; all of them where there are no hosts."""
    on: Counter[str | None] = Counter()
    for role, count in deployment.num_instances.items():
        for number in range(count):
            host = deployment.host_of(role, number)
            on[None if host is None else host.name] += deployment.engine[role].tensor_parallel_size
    return max(on.values())


def _num_cpus(deployment: DeploymentSpec) -> int:
    servers = 0
    for role, count in deployment.num_instances.items():
        engine = deployment.engine[role]
        servers += count * (CPUS_OF_A_SERVER + engine.tensor_parallel_size * (engine.omp_num_threads or 1))
    return OWN_CPUS + servers
