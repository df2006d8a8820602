"""The cells of a study, their keys, and which of them are still to be measured."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from llmdvfs.plan.code_hash import code_hash
from llmdvfs.plan.points import distinct_points
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.study import Study
from llmdvfs.records.job import CellJob, LaunchJob
from llmdvfs.records.raw import FAILED, RUN
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
    points = distinct_points(study.points.values(), study.deployments[deployment].engine)
    cells = [CellId(deployment, workload, point, launch) for workload in study.workloads for point in points]
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
            held = {cell: _delivered(study, cell) for cell in keys}
            missing = {cell: key for cell, key in keys.items() if held[cell].key != key}
            if study.strict_launches and (missing or _num_starts(held.values()) > 1):
                missing = keys  # whatever is there of the launch comes from another start of its servers
            if missing:
                launches.append(_planned_launch(study, deployment, launch, missing))
    return launches


class _Delivered(NamedTuple):
    """What lies in a cell's folder."""

    key: str | None
    """Of the measurement; None where there is none."""
    start: str | None
    """Of the servers."""


def _delivered(study: Study, cell: CellId) -> _Delivered:
    """Return what the cell's folder holds; a recorded failure counts where the study goes on without such cells."""
    raw = cell_folder(study.results, cell) / "raw"
    content = _content(raw / RUN) or (_content(raw / FAILED) if study.tolerate_failed_cells else {})
    return _Delivered(content.get("key"), content.get("server_start", {}).get("id"))


def _content(path: Path) -> dict[str, Any]:
    """Return a record as plain data, without the cost of checking it; empty where there is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content


def _num_starts(held: Iterable[_Delivered]) -> int:
    return len({item.start for item in held if item.start is not None})


def _planned_launch(study: Study, deployment: str, launch: int, missing: dict[CellId, str]) -> PlannedLaunch:
    job = LaunchJob(
        launch=launch,
        seed=study.seed,
        cells=tuple(CellJob(cell.workload, cell.point, key) for cell, key in missing.items()),
        workloads={cell.workload: study.workloads[cell.workload] for cell in missing},
        points={cell.point: study.points[cell.point] for cell in missing},
        settings=study.settings,
        one_start=study.strict_launches,
        tolerate_failures=study.tolerate_failed_cells,
    )
    return PlannedLaunch(deployment, job, tuple(missing))


def _model_fingerprint(deployment: DeploymentSpec) -> list[Any]:
    """Return what tells two contents of a model folder apart without reading the weights."""
    if deployment.model.source != "path":
        return []
    folder = Path(deployment.model.location).expanduser()
    config = folder / "config.json"
    content = hashlib.sha256(config.read_bytes()).hexdigest() if config.is_file() else ""
    return [content, *sorted((path.name, path.stat().st_size) for path in folder.glob("*.safetensors"))]
