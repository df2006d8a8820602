"""What can be known to be missing before anything starts: folders, files, ports, Pythons."""

import os
import shutil
import socket
from pathlib import Path

from llmdvfs.errors import ConfigError
from llmdvfs.plan.study import Study
from llmdvfs.records.spec import DeploymentSpec, WorkloadSpec


def check_preconditions(study: Study, *, measuring: bool) -> None:
    """Raise ConfigError for the first thing that is missing; what only a measurement needs is checked for one."""
    _check_results(study.results)
    for deployment in study.deployments.values():
        _check_model(deployment)
    for workload in study.workloads.values():
        _check_files(workload)
    if measuring:
        for deployment in study.deployments.values():
            _check_python(deployment)
            _check_port(deployment)


def _check_results(results: Path) -> None:
    if ".." in results.parts:
        raise ConfigError(f"results: {str(results)!r}: expected a folder without '..'")
    nearest = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    if not os.access(nearest, os.W_OK) or not nearest.is_dir():
        raise ConfigError(f"results: {str(results)!r}: {nearest} is not a writable folder; free it or name another one")


def _check_model(deployment: DeploymentSpec) -> None:
    model = deployment.model
    if model.source != "path":
        return
    folder = Path(model.location)
    if not (folder / "config.json").is_file():
        seen = "has no config.json" if folder.is_dir() else "is not a folder"
        raise ConfigError(
            f"models.{model.name}.location: {model.location!r} {seen}; expected a model folder as the hub lays it out"
        )


def _check_files(workload: WorkloadSpec) -> None:
    files = {"prompts.path": workload.prompts.path, "arrival.trace_path": workload.arrival.trace_path}
    for key, path in files.items():
        if path is not None and not Path(path).exists():
            raise ConfigError(f"workloads.{workload.id}.{key}: {path!r}: no such file; nothing stands in for it")


def _check_python(deployment: DeploymentSpec) -> None:
    if deployment.python is not None and shutil.which(deployment.python) is None:
        raise ConfigError(f"serving.python: {deployment.python!r}: expected the path of an executable Python with vLLM")


def _check_port(deployment: DeploymentSpec) -> None:
    if deployment.proxy_port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", deployment.proxy_port))
        except OSError as error:
            raise ConfigError(
                f"serving.proxy_port: {deployment.proxy_port} is not free ({error.strerror}); "
                "expected a free port, or null to have one chosen"
            ) from error
