"""A deployment as it will be started, before anything runs: what `launch.json` says."""

import sys
from pathlib import Path

from llmdvfs.architectures.table import architecture_named
from llmdvfs.connectors.connector import KvAddresses
from llmdvfs.connectors.version import version_tuple
from llmdvfs.models.facts import kv_bytes_per_token
from llmdvfs.models.resolve import resolve_model
from llmdvfs.records.job import LaunchRecord, PlannedInstance
from llmdvfs.records.spec import DeploymentSpec, Role
from llmdvfs.serving.instance.command import LOOPBACK, server_argv, server_env
from llmdvfs.serving.instance.engine_version import engine_versions

PORT_AT_START = 0  # in argv: the start takes a free one


def plan_launch(deployment: DeploymentSpec, models: Path) -> LaunchRecord:
    """Write the model where it is generated, and return everything that can be known before the start.

    Ports are 0 and the KV folder is `{storage}` where only the start can choose them.
    """
    versions = {} if deployment.device == "external" else engine_versions(deployment.python)
    model_path = resolve_model(deployment.model, models)
    is_folder = Path(model_path).is_dir()
    engines = list(deployment.engine.values())
    architecture = architecture_named(deployment.architecture)
    return LaunchRecord(
        deployment=deployment,
        model_path=model_path,
        served_model_name=deployment.model.name,
        engine_versions=versions,
        kv_bytes_per_token=(
            kv_bytes_per_token(Path(model_path), engines[0].dtype, engines[0].extra_args)
            if is_folder and engines
            else None
        ),
        instances=tuple(
            _instance(deployment, role, number, model_path, versions)
            for role in architecture.roles
            for number in range(deployment.num_instances[role])
        ),
        front_door=architecture.front_door,
    )


def _instance(
    deployment: DeploymentSpec, role: Role, number: int, model_path: str, versions: dict[str, str]
) -> PlannedInstance:
    version = version_tuple(versions["vllm"])
    kv = None
    if deployment.connector is not None:
        size = deployment.engine[role].tensor_parallel_size
        kv = KvAddresses(LOOPBACK, PORT_AT_START, PORT_AT_START, "{storage}", f"{{{role}-{number}}}", size)
    argv = server_argv(
        deployment,
        role,
        model=model_path,
        http_port=PORT_AT_START,
        engine_version=version,
        kv=kv,
        python=deployment.python or sys.executable,
    )
    return PlannedInstance(f"{role}-{number}", role, argv, server_env(deployment, role, engine_version=version, kv=kv))
