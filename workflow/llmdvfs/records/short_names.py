"""Names deployments as briefly as a study allows."""

from collections.abc import Iterable

from llmdvfs.records.comparison import ComparisonGroup


class ShortNames:
    """Names deployments, without their model where the study has only one."""

    def __init__(self, groups: Iterable[ComparisonGroup]) -> None:
        models = {deployment.model for group in groups for deployment in group.deployments}
        self._suffix = f"_{models.pop()}" if len(models) == 1 else ""

    def __call__(self, deployment: str) -> str:
        """Return the deployment's short name."""
        return deployment.removesuffix(self._suffix) if self._suffix else deployment
