"""What one cell of each deployment and workload takes: as earlier cells did, else by stated assumptions."""

from collections.abc import Iterator
from dataclasses import dataclass

from llmdvfs.plan.past import PastCell, past_cells, typical
from llmdvfs.plan.progress import OVERHEAD_S, UNKNOWN_S, planned_s
from llmdvfs.plan.study import Study
from llmdvfs.records.spec import DeploymentSpec, WorkloadSpec

START_S = {"cuda": 90.0, "cpu": 45.0, "external": 0.0}
"""Until a server is ready: vLLM 0.23 took 67-109 s on an H200 with an empty compile cache, 42-53 s on 2 CPU cores."""
FURTHER_GPU_S = 9.0  # and for each further GPU that starts at the same time: four servers on four H100 took 113-119 s
TENSOR_PARALLEL_S = 25.0  # and where an instance spans GPUs: tensor_parallel-4 took 141 s there, 2 x TP-2 148 s
LAUNCH_OVERHEAD_S = 5.0  # around its servers' starts and its cells: on the four H100 4-5 s, 1 s of them to stop servers
GPU_LOAD_POWER_W = 700.0  # the board limit of an H100 or H200 (SXM), which prefill reaches: no GPU of them draws more
GPU_IDLE_POWER_W = 120.0  # a loaded and idle server's H100: 118-124 W
CELL_BYTES = {"cuda": 24e6, "cpu": 3e6, "external": 3e6}
"""A study of 45 cells on two H200 took 1 GiB; the short golden cell has 1 MB, and figures come to it."""


@dataclass(frozen=True, slots=True)
class PerCell:
    """One cell; a number is the median of earlier cells, or an assumption."""

    start_s: float
    """Of the launch that it belongs to: until its servers are ready."""
    took_s: float
    load_s: float
    load_power_w: float | None
    """None: on a CPU whose power nothing has told."""
    idle_power_w: float | None
    num_bytes: float
    assumptions: tuple[str, ...]

    @property
    def energy_j(self) -> float | None:
        """Return the energy of the cell: under load at its power, the rest of the time idle; None: not known."""
        if self.load_power_w is None or self.idle_power_w is None:
            return None
        return self.load_power_w * self.load_s + self.idle_power_w * (self.took_s - self.load_s)


def per_cell(study: Study) -> dict[tuple[str, str], PerCell]:
    """Return what a cell takes, by deployment and workload."""
    found = {}
    for name, deployment in study.deployments.items():
        own = {workload: past_cells(study.results, name, workload) for workload in study.workloads}
        of_all = typical(cell for cells in own.values() for cell in cells)
        for workload, spec in study.workloads.items():
            found[name, workload] = _per_cell(study, deployment, spec, typical(own[workload]), of_all)
    return found


def assumed_start_s(deployment: DeploymentSpec) -> float:
    """Return the time until all servers of a deployment are ready, which start at once and wait for one another."""
    further_s = FURTHER_GPU_S * max(deployment.num_gpus - 1, 0)
    return START_S[deployment.device] + further_s + (TENSOR_PARALLEL_S if _spans_gpus(deployment) else 0.0)


def _per_cell(
    study: Study, deployment: DeploymentSpec, workload: WorkloadSpec, own: PastCell, of_deployment: PastCell
) -> PerCell:
    """Return a cell by what its own kind took, then by what other workloads of the deployment did."""
    num_gpus, device = deployment.num_gpus, deployment.device
    took_s = own.took_s or planned_s(study.settings, workload)
    return PerCell(
        start_s=of_deployment.start_s or assumed_start_s(deployment),
        took_s=took_s,
        load_s=min(own.load_s or workload.duration_s or UNKNOWN_S, took_s),
        load_power_w=own.load_power_w or of_deployment.load_power_w or GPU_LOAD_POWER_W * num_gpus or None,
        idle_power_w=own.idle_power_w or of_deployment.idle_power_w or GPU_IDLE_POWER_W * num_gpus or None,
        num_bytes=own.num_bytes or of_deployment.num_bytes or CELL_BYTES[device],
        assumptions=tuple(_assumptions(deployment, workload, own, of_deployment)),
    )


def _assumptions(
    deployment: DeploymentSpec, workload: WorkloadSpec, own: PastCell, of_deployment: PastCell
) -> Iterator[str]:
    """Yield a sentence for everything that no earlier cell told, the same one for all that it is assumed of."""
    device = deployment.device
    if not of_deployment.start_s and START_S[device]:
        place = device if deployment.num_gpus < 2 else f"{deployment.num_gpus} GPUs at once"
        place += ", some over several," if _spans_gpus(deployment) else ""
        yield f"servers on {place} are ready after {assumed_start_s(deployment):g} s"
    yield f"a launch takes {LAUNCH_OVERHEAD_S:g} s around its servers' starts and its cells"
    if not own.took_s:
        yield f"a cell takes its workload's duration_s, two idle windows and {OVERHEAD_S:g} s"
    if not own.took_s and not workload.duration_s:
        yield f"a load whose length no duration_s tells takes {UNKNOWN_S:g} s"
    if deployment.num_gpus and not of_deployment.load_power_w:
        yield f"a GPU draws {GPU_LOAD_POWER_W:g} W under load and {GPU_IDLE_POWER_W:g} W with an idle server"
    if not of_deployment.num_bytes:
        yield f"a cell on {device} takes {CELL_BYTES[device] / 1e6:g} MB"


def _spans_gpus(deployment: DeploymentSpec) -> bool:
    return deployment.num_gpus > sum(deployment.num_instances.values())
