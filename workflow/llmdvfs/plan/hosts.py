"""Deployments over several hosts: what the configuration says of them, and what does not go with them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmdvfs.errors import ConfigError
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import DeploymentSpec, ExporterSpec, HostSpec

ONE_MODEL_PATH = frozenset({"nixl", "nixl_push"})
"""Connectors that refuse two engines whose --model differs: the path is part of their compatibility hash."""
GENERATED = frozenset({"tiny", "shape"})
"""Sources of models that are written where they are needed."""


def host_specs(given: Sequence[Mapping[str, Any]]) -> tuple[HostSpec, ...]:
    """Return the hosts of a complete configuration; ConfigError where two have one name."""
    names = [item["name"] for item in given]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"serving.hosts: {double[0]!r} twice: expected a name of its own for each host")
    return tuple(HostSpec(**{key: _frozen(value) for key, value in item.items()}) for item in given)


def exporter_specs(given: Sequence[Mapping[str, Any]], architecture: str) -> tuple[ExporterSpec, ...]:
    """Return the exporters of a complete configuration; ConfigError where nobody else's endpoint is measured."""
    names = [item["name"] for item in given]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"serving.exporters: {double[0]!r} twice: expected a name of its own for each host")
    if given and architecture != "external":
        raise ConfigError(
            f"serving.exporters: expected architectures: [external] beside it, not {architecture}: GPUs of servers "
            "that are started here are read by the driver, or by an agent (serving.hosts)"
        )
    return tuple(ExporterSpec(**{key: _frozen(value) for key, value in item.items()}) for item in given)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_hosts(
    deployments: Iterable[DeploymentSpec],
    settings: MeasureSettings,
    points: Iterable[OperatingPoint],
    gpus: Sequence[int] | None,
) -> None:
    """Raise ConfigError where a study over several hosts asks for what is done on one host only."""
    spread = [deployment for deployment in deployments if deployment.hosts]
    if not spread:
        return
    if gpus is not None:
        raise ConfigError(
            f"serving.gpus: {list(gpus)}: expected null beside serving.hosts: `gpus` of each host names its own"
        )
    for name in ("points_under_load", "soak", "side_by_side"):
        if getattr(settings, name):
            raise ConfigError(
                f"measure.{name}: {getattr(settings, name)}: expected it off beside serving.hosts: it is for GPUs of "
                "the host that measures"
            )
    if (asking := next((point.id for point in points if point.asks_for_something), None)) is not None:
        raise ConfigError(
            f"operating_points.{asking}: sets clocks or limits: expected stock alone beside serving.hosts: agents set "
            "none"
        )
    for deployment in spread:
        _check_deployment(deployment)


def _check_deployment(deployment: DeploymentSpec) -> None:
    if deployment.device == "external":
        raise ConfigError("architectures: external: expected none beside serving.hosts: nothing is started for it")
    for role, count in deployment.num_instances.items():
        if any(deployment.host_of(role, number) is None for number in range(count)):
            raise ConfigError(
                f"serving.hosts: no host takes the role {role!r} of {deployment.id}: add it to the roles of one"
            )
    folders = {host.folder for host in deployment.hosts}
    if deployment.connector == "example" and (len(folders) > 1 or None in folders):
        raise ConfigError(
            "serving.hosts: the connector example passes KV cache as files: expected one `folder`, the same for all "
            "hosts, which they and this host share; or take nixl"
        )
    if deployment.connector in ONE_MODEL_PATH and deployment.model.source in GENERATED and len(folders) > 1:
        raise ConfigError(
            f"serving.hosts: {deployment.connector} wants the model at the same path on all hosts, and model "
            f"{deployment.model.name!r} is generated in `folder`: expected one `folder`, the same for all hosts (not "
            "necessarily shared), or none"
        )
