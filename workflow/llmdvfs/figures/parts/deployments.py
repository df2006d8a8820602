"""How the deployments of a comparison are named and drawn, the same in all of its figures."""

from llmdvfs.figures.parts.style import Look, sibling_look
from llmdvfs.records.comparison import ComparisonRecord, DeploymentSummary


def deployment_looks(record: ComparisonRecord) -> dict[str, Look]:
    """Return id -> look: that of the architecture, varied from its second deployment on."""
    looks: dict[str, Look] = {}
    architectures: list[str] = []
    for deployment in _by_id(record).values():
        taken = {look.marker for look in looks.values()}
        looks[deployment.id] = sibling_look(
            deployment.architecture, architectures.count(deployment.architecture), taken
        )
        architectures.append(deployment.architecture)
    return looks


def short_names(record: ComparisonRecord) -> dict[str, str]:
    """Return id -> name: the id, without its model where all deployments serve the same one."""
    model = shared_model(record)
    return {name: name.removesuffix(f"_{model}") for name in _by_id(record)}


def shared_model(record: ComparisonRecord) -> str | None:
    """Return the model that all deployments serve; None where they serve several."""
    models = {deployment.model for deployment in _by_id(record).values()}
    return models.pop() if len(models) == 1 else None


def of_model(record: ComparisonRecord) -> str:
    """Return ` of <model>` for a title below which names go without the model, else nothing."""
    model = shared_model(record)
    return f" of {model}" if model else ""


def _by_id(record: ComparisonRecord) -> dict[str, DeploymentSummary]:
    return {deployment.id: deployment for group in record.groups for deployment in group.deployments}
