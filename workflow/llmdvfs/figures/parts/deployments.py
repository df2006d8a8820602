"""How the deployments of a comparison are named and drawn, the same in each of its figures."""

from llmdvfs.figures.parts.style import Look, sibling_look
from llmdvfs.records.comparison import Arm, ComparisonRecord


def deployment_looks(record: ComparisonRecord) -> dict[str, Look]:
    """Return every deployment's look: its architecture's, varied from the second deployment of one architecture on."""
    looks: dict[str, Look] = {}
    architectures: list[str] = []
    for deployment, arm in _arms(record).items():
        taken = {look.marker for look in looks.values()}
        looks[deployment] = sibling_look(arm.architecture, architectures.count(arm.architecture), taken)
        architectures.append(arm.architecture)
    return looks


def short_names(record: ComparisonRecord) -> dict[str, str]:
    """Return every deployment's name by its id: the id without its model where all deployments serve the same one."""
    model = shared_model(record)
    return {deployment: deployment.removesuffix(f"_{model}") for deployment in _arms(record)}


def shared_model(record: ComparisonRecord) -> str | None:
    """Return the model that all deployments serve; None where they serve several."""
    models = {arm.model for arm in _arms(record).values()}
    return models.pop() if len(models) == 1 else None


def of_model(record: ComparisonRecord) -> str:
    """Return ` of <model>` for a title below which names go without the model, else nothing."""
    model = shared_model(record)
    return f" of {model}" if model else ""


def _arms(record: ComparisonRecord) -> dict[str, Arm]:
    return {arm.deployment: arm for group in record.groups for arm in group.arms}
