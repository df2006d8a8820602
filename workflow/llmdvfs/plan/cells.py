"""The cells of a study, their keys, and which of them are still to be measured."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmdvfs.plan.code_hash import code_hash
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.study import Study
from llmdvfs.records.job import CellJob, LaunchJob
from llmdvfs.records.spec import CellId, DeploymentSpec
from llmdvfs.records.store import SCHEMA_VERSION

MEASURING_STAGES = ("stages.benchmark", "stages.load", "stages.guard", "stages.proxy")
MEASURING_PACKAGES = ("architectures", "benchmark", "connectors", "load", "models", "serving", "telemetry")
KEY_DIGITS = 16


@dataclass(frozen=True, slots=True)
class PlannedLaunch:
    """One benchmark job."""

    deployment: str
    job: LaunchJob
    cells: tuple[CellId, ...]
    """In the order of job.cells."""


def cell_folder(results: Path, cell: CellId) -> Path:
    """Return the folder that holds all of a cell."""
    return results / "cells" / cell.folder()


def store_folder(results: Path, key: str) -> Path:
    """Return the folder of a finished measurement in the store."""
    return results / "store" / key


def all_cells(study: Study) -> Iterator[CellId]:
    """Yield every cell: launch 1 of all deployments first, then launch 2 ..."""
    for launch in study.launches:
        for deployment in study.deployments:
            yield from launch_cells(study, deployment, launch)


def launch_cells(study: Study, deployment: str, launch: int) -> list[CellId]:
    """Return a launch's cells in their random order, which adding a cell does not change for the others."""
    cells = [CellId(deployment, workload, point, launch) for workload in study.workloads for point in study.points]
    return sorted(cells, key=lambda cell: derive_seed(study.seed, "order", launch, cell.workload, cell.point))


def measuring_code_hash() -> str:
    """Return the hash of all code that takes part in a measurement."""
    return code_hash(MEASURING_STAGES, only=MEASURING_PACKAGES)


def cell_key(study: Study, cell: CellId, measuring_code: str) -> str:
    """Return the identity of a measurement: equal keys were measured the same way."""
    deployment = study.deployments[cell.deployment]
    identity: dict[str, Any] = {
        # neither the proxy's port nor the patience at the start changes what is measured
        "deployment": asdict(replace(deployment, proxy_port=None, startup_timeout_s=0.0)),
        "engine": study.engine_versions,
        "model": _model_fingerprint(deployment),
        "workload": asdict(study.workloads[cell.workload]),
        "point": asdict(study.points[cell.point]),
        "launch": cell.launch,
        "seed": study.seed,
        "settings": asdict(replace(study.settings, retries=0)),
        "code": measuring_code,
        "schema_version": SCHEMA_VERSION,
        "remeasure": study.remeasure,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:KEY_DIGITS]


def pending_launches(study: Study) -> list[PlannedLaunch]:
    """Return the launches with cells whose folder does not hold the measurement that is asked for."""
    measuring_code = measuring_code_hash()
    launches = []
    for launch in study.launches:
        for deployment in study.deployments:
            keys = {cell: cell_key(study, cell, measuring_code) for cell in launch_cells(study, deployment, launch)}
            missing = {cell: key for cell, key in keys.items() if delivered_key(study.results, cell) != key}
            if missing:
                launches.append(_planned_launch(study, deployment, launch, missing))
    return launches


def delivered_key(results: Path, cell: CellId) -> str | None:
    """Return the key of the measurement in the cell's folder; None where there is none."""
    try:
        run = json.loads((cell_folder(results, cell) / "raw" / "run.json").read_bytes())
    except (OSError, ValueError):
        return None
    key = run.get("key")
    return key if isinstance(key, str) else None


def _planned_launch(study: Study, deployment: str, launch: int, missing: dict[CellId, str]) -> PlannedLaunch:
    job = LaunchJob(
        launch=launch,
        seed=study.seed,
        cells=tuple(CellJob(cell.workload, cell.point, key) for cell, key in missing.items()),
        workloads={cell.workload: study.workloads[cell.workload] for cell in missing},
        points={cell.point: study.points[cell.point] for cell in missing},
        settings=study.settings,
    )
    return PlannedLaunch(deployment, job, tuple(missing))


def _model_fingerprint(deployment: DeploymentSpec) -> list[Any]:
    """Return what tells two contents of a model folder apart without reading the weights."""
    if deployment.model.source != "path":
        return []
    folder = Path(deployment.model.location)
    config = folder / "config.json"
    content = hashlib.sha256(config.read_bytes()).hexdigest() if config.is_file() else ""
    return [content, *sorted((path.name, path.stat().st_size) for path in folder.glob("*.safetensors"))]
