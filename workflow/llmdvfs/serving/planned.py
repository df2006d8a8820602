"""Resolves a deployment as it will be started, before anything runs: the content of `launch.json`."""

import sys
from dataclasses import replace
from pathlib import Path

from llmdvfs.architectures.architecture import FrontDoor
from llmdvfs.architectures.table import architecture_named
from llmdvfs.connectors.version import version_tuple
from llmdvfs.models.facts import kv_bytes_per_token
from llmdvfs.models.resolve import model_folder, resolve_model
from llmdvfs.records.job import LaunchRecord, PlannedInstance
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.spec import DeploymentSpec, Role
from llmdvfs.serving.instance.command import LOOPBACK, network_env, server_argv, server_env
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.part import name_of

PORT_AT_START = 0  # in argv: the start takes a free one


def plan_launch(deployment: DeploymentSpec, models: Path) -> LaunchRecord:
    """Return everything that can be known before the start; the model is written if it is a generated one.

    Ports are 0 and the KV folder is `{storage}` where only the start can choose them.
    """
    versions = {} if deployment.device == "external" else engine_versions(deployment.python)
    model_path = resolve_model(deployment.model, models)
    is_folder = Path(model_path).is_dir()
    engines = list(deployment.engine.values())
    return LaunchRecord(
        deployment=deployment,
        model_path=model_path,
        served_model_name=deployment.model.asked_name,
        engine_versions=versions,
        kv_bytes_per_token=(
            kv_bytes_per_token(Path(model_path), engines[0].dtype, engines[0].extra_args)
            if is_folder and engines
            else None
        ),
        instances=_instances(deployment, model_path, versions),
        front_door=_front_door(deployment),
    )


def contradictions(launch: LaunchRecord) -> list[str]:
    """Return the parts of a launch record that do not follow from its deployment: somebody has edited them."""
    deployment, model = launch.deployment, launch.deployment.model
    # A generated model's folder, and the Python, may be those of another machine, which the results were copied from.
    expected = model.location if model.source == "hub" else model_folder(model, Path()).name
    found = []
    if model.source != "path" and not launch.model_path.endswith(expected):
        found.append("model_path")
    if launch.served_model_name != model.asked_name:
        found.append("served_model_name")
    if launch.front_door != _front_door(deployment):
        found.append("front_door")
    planned = _instances(deployment, launch.model_path, launch.engine_versions)
    if [_without_python(item) for item in planned] != [_without_python(item) for item in launch.instances]:
        found.append("instances")
    return found


def _front_door(deployment: DeploymentSpec) -> FrontDoor:
    return "none" if deployment.route == "direct" else architecture_named(deployment.architecture).front_door


def _without_python(instance: PlannedInstance) -> PlannedInstance:
    return replace(instance, argv=instance.argv[1:])


def _instances(deployment: DeploymentSpec, model_path: str, versions: dict[str, str]) -> tuple[PlannedInstance, ...]:
    return tuple(
        _instance(deployment, role, number, model_path, versions)
        for role in architecture_named(deployment.architecture).roles
        for number in range(deployment.num_instances[role])
    )


def _instance(
    deployment: DeploymentSpec, role: Role, number: int, model_path: str, versions: dict[str, str]
) -> PlannedInstance:
    version = version_tuple(versions["vllm"])
    host = deployment.host_of(role, number)
    address = LOOPBACK if host is None else host.address
    kv = None
    if deployment.connector is not None:
        size = deployment.engine[role].tensor_parallel_size
        kv = KvAddresses(address, PORT_AT_START, PORT_AT_START, "{storage}", f"{{{role}-{number}}}", size)
    argv = server_argv(
        deployment,
        role,
        model=model_path,
        http_port=PORT_AT_START,
        engine_version=version,
        kv=kv,
        python=deployment.python or sys.executable,
        host=address,
    )
    env = network_env(host) | server_env(deployment, role, engine_version=version, kv=kv, host=address)
    return PlannedInstance(name_of(role, number), role, argv, env)
