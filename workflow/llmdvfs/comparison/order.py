"""The order in which cells and deployments stand in every table."""

from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId

# Simpler first: it is the baseline of a ratio, unless another is asked for.
ARCHITECTURE_ORDER = ("single", "replicated", "tensor_parallel", "disaggregated", "external")


def deployment_order(run: RunRecord, baseline: str | None) -> tuple[bool, int, str]:
    """Return the sorting key of a deployment, given one of its runs.

    baseline: the architecture, as the configuration writes it, that comes first; None: the simplest.
    """
    deployment = run.deployment
    known = deployment.architecture in ARCHITECTURE_ORDER
    rank = ARCHITECTURE_ORDER.index(deployment.architecture) if known else len(ARCHITECTURE_ORDER)
    name = run.cell.deployment
    return name != f"{baseline}_{deployment.model.name}", rank, name


def cell_order(cell: CellId) -> tuple[str, str, str, int]:
    """Return the sorting key of a cell."""
    return cell.deployment, cell.workload, cell.point, cell.launch
