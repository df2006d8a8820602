"""Checks, before anything starts, what can be known to be missing: folders, files, ports, Pythons."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmdvfs.errors import ConfigError, DataError
from llmdvfs.inputs.datasets import check_dataset_head
from llmdvfs.inputs.traces.reader import check_trace_head
from llmdvfs.models.resolve import config_of
from llmdvfs.plan.study import DATA_SETS, Study
from llmdvfs.records.spec import DeploymentSpec, WorkloadSpec

PLACES = ("store", "drafts", "cells", "failed", "forgotten", "deployments", "comparison")
"""Folders of the results that somebody may have put on another disk, by a link."""


def check_preconditions(
    study: Study, *, measuring: bool, owner_of: Callable[[int], str | None] = lambda port: None
) -> None:
    """Raise ConfigError for the first thing that is missing.

    measuring: whether something will be measured, for which more is needed. owner_of: returns in words who listens on a
    port, where that can be seen.
    """
    _check_results(study.results)
    for deployment in study.deployments.values():
        _check_model(deployment)
    for workload in study.workloads.values():
        _check_files(workload)
    if measuring:
        for deployment in study.deployments.values():
            _check_python(deployment)
            _check_port(deployment, owner_of)


def _check_results(results: Path) -> None:
    if ".." in results.parts or results.resolve() in (Path("/"), Path.cwd()):
        raise ConfigError(f"results: {str(results)!r}: expected a folder of its own, without '..'")
    for place in (results, *(results / name for name in PLACES)):
        if place.is_symlink() and not place.exists():
            raise ConfigError(
                f"results: {str(results)!r}: {place} is a link to {place.readlink()}, which is not there; mount or "
                "make it, or remove the link"
            )
    nearest = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    if not os.access(nearest, os.W_OK) or not nearest.is_dir():
        raise ConfigError(f"results: {str(results)!r}: {nearest} is not a writable folder; free it or name another one")


def _check_model(deployment: DeploymentSpec) -> None:
    model = deployment.model
    folder = Path(model.location).expanduser()
    if model.source == "path" and not (folder / "config.json").is_file():
        seen = "has no config.json" if folder.is_dir() else "is not a folder"
        raise ConfigError(
            f"models.{model.name}.location: {model.location!r} {seen}; expected a model folder as the hub lays it out"
        )
    try:
        num_heads = (config_of(model) or {}).get("num_attention_heads")
    except ConfigError as error:
        raise ConfigError(f"models.{model.name}.location: {error}") from error
    for role, engine in deployment.engine.items():
        size = engine.tensor_parallel_size
        if isinstance(num_heads, int) and num_heads % size:
            raise ConfigError(
                f"serving.engine.tensor_parallel_size: {size} ({deployment.id}, {role}): does not divide the "
                f"{num_heads} attention heads of model {model.name!r}; expected a divisor of {num_heads}"
            )


def _check_files(workload: WorkloadSpec) -> None:
    """Open every file that the workload names, and read the begin of it as what it is said to be."""
    prompts, arrival = workload.prompts, workload.arrival
    for key, path in {"prompts.path": prompts.path, "arrival.trace_path": arrival.trace_path}.items():
        if path is not None and not Path(path).exists():
            raise ConfigError(f"workloads.{workload.id}.{key}: {path!r}: no such file; nothing stands in for it")
    with _about(f"workloads.{workload.id}.arrival.trace_path"):
        if arrival.trace_path is not None and arrival.trace_format is not None:
            check_trace_head(Path(arrival.trace_path), arrival.trace_format)
    with _about(f"workloads.{workload.id}.prompts.path"):
        if prompts.source in DATA_SETS and prompts.path is not None:
            needs_answers = prompts.output_tokens.kind == "trace" and arrival.trace_path is None
            check_dataset_head(prompts.source, Path(prompts.path), needs_answers=needs_answers)


@contextmanager
def _about(key: str) -> Iterator[None]:
    """Name the key in what is wrong with its file."""
    try:
        yield
    except DataError as error:
        raise ConfigError(f"{key}: {error}") from error


def _check_python(deployment: DeploymentSpec) -> None:
    if deployment.python is not None and shutil.which(deployment.python) is None:
        raise ConfigError(f"serving.python: {deployment.python!r}: expected the path of an executable Python with vLLM")


def _check_port(deployment: DeploymentSpec, owner_of: Callable[[int], str | None]) -> None:
    if deployment.proxy_port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", deployment.proxy_port))
        except OSError as error:
            raise ConfigError(
                f"serving.proxy_port: {deployment.proxy_port} is not free: "
                f"{owner_of(deployment.proxy_port) or error.strerror}; expected a free port, or null to have one chosen"
            ) from error
