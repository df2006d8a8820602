"""Identity of a measurement: everything that decides what is measured, and nothing else.

Its hash is the key, the name of the measurement's folder in the store.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdvfs.plan.content import content_fingerprint, study_files
from llmdvfs.plan.measuring import MEASURING_VERSION
from llmdvfs.plan.side_by_side import is_beside
from llmdvfs.plan.under_load import is_under_load
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.spec import CellId, DeploymentSpec, SloSpec, WorkloadSpec

if TYPE_CHECKING:  # every benchmark job imports this file, and no study's settings
    from llmdvfs.plan.study import Study

KEY_DIGITS = 16


def key_of_identity(identity: Mapping[str, Any]) -> str:
    """Return the key: 16 hex digits of the SHA-256 of the identity's parts, each a line of canonical JSON."""
    return _key_of_texts(_texts(identity))


def _texts(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return each part as one line of JSON, the same for the same data."""
    return {
        name: json.dumps(_canonical(part), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for name, part in parts.items()
    }


def _key_of_texts(parts: Mapping[str, str]) -> str:
    text = "".join(f"{name} {parts[name]}\n" for name in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def _canonical(value: Any) -> Any:
    """Return plain data in which equal numbers are spelled alike: a duration of 5 and one of 5.0 are the same."""
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class StudyIdentities:
    """The identities of a study's cells.

    The parts that many cells share are worked out, and written as text, only once.
    """

    def __init__(self, study: "Study") -> None:
        self._settings = study.settings
        self._shared = {
            "measuring_version": MEASURING_VERSION,
            "seed": study.seed,
            "settings": _settings(study.settings),
            "remeasure": study.remeasure,
        }
        self._deployments = {name: _deployment(spec, study) for name, spec in study.deployments.items()}
        self._workloads = {name: _workload(spec) for name, spec in study.workloads.items()}
        self._under_load = {name for name, spec in study.workloads.items() if is_under_load(spec, study.settings)}
        self._points = {name: point_identity(spec) for name, spec in study.points.items()}
        shared = _texts(self._shared)
        self._deployment_texts = {name: {**shared, **_texts(part)} for name, part in self._deployments.items()}
        self._workload_texts = _texts(self._workloads)
        self._point_texts = _texts(self._points)

    def identity(self, cell: CellId, *, permitted: bool = False) -> dict[str, Any]:
        """Return what decides the cell's measurement, as plain data.

        permitted: whether it is that of a measurement with the right to set the operating point.
        """
        return {
            **self._shared,
            **self._deployments[cell.deployment],
            "workload": self._workloads[cell.workload],
            "point": self._points[cell.point],
            "launch": cell.launch,
            **({"permitted": True} if permitted else {}),
            **({"points_under_load": True} if cell.workload in self._under_load else {}),
            **({"side_by_side": True} if is_beside(self._settings, cell.launch) else {}),
        }

    def key(self, cell: CellId, *, permitted: bool = False) -> str:
        """Return the key of the cell's measurement, the hash of its identity."""
        return _key_of_texts(
            {
                **self._deployment_texts[cell.deployment],
                "workload": self._workload_texts[cell.workload],
                "point": self._point_texts[cell.point],
                "launch": str(cell.launch),
                **({"permitted": "true"} if permitted else {}),
                **({"points_under_load": "true"} if cell.workload in self._under_load else {}),
                **({"side_by_side": "true"} if is_beside(self._settings, cell.launch) else {}),
            }
        )


def _settings(settings: MeasureSettings) -> dict[str, Any]:
    """Return the settings without what does not change what is measured, or is a part of its own."""
    given = asdict(replace(settings, retries=0))
    for name in ("points_under_load", "skip_cap_bound", "side_by_side", "idle_at_points_s", "prepare_servers"):
        del given[name]
    for name in ("soak", "half_width_fraction"):  # as it was written before there were these
        if given[name] is None:
            del given[name]
    if not given["share_idle"]:
        del given["share_idle"]
    return given


def deployment_identity(deployment: DeploymentSpec) -> dict[str, Any]:
    """Return a deployment as plain data, without what cannot change what is measured on it."""
    # A balancer chooses among instances of one role: where each role has one, there is nothing to choose.
    chooses = any(count > 1 for count in deployment.num_instances.values())
    is_external = deployment.device == "external"
    relevant = replace(
        deployment,
        proxy_port=None,
        startup_timeout_s=0.0,
        memory_check=True,
        base_url=deployment.base_url if is_external else None,
    )
    identity = asdict(relevant) | ({} if chooses else {"balancer": ""})
    # Where a host is and how it is reached decides nothing; without hosts it is as it was before there were any.
    if deployment.hosts:
        identity["hosts"] = [
            {"name": host.name, "roles": host.roles, "interface": host.interface, "kv_devices": host.kv_devices}
            for host in deployment.hosts
        ]
    else:
        del identity["hosts"]
    # Where an exporter is reached decides nothing, either.
    if deployment.exporters:
        identity["exporters"] = [{"name": host.name, "gpus": host.gpus} for host in deployment.exporters]
    else:
        del identity["exporters"]
    if deployment.route == "proxy":
        del identity["route"]  # as it was before there was another
    if deployment.model.served_name is None:
        del identity["model"]["served_name"]  # measurements from before there was one keep their keys
    return identity


def point_identity(point: OperatingPoint) -> dict[str, Any]:
    """Return an operating point as plain data; one without ceilings as it was written before ceilings existed."""
    asked = asdict(point)
    if not point.sm_clock_min_mhz:
        del asked["sm_clock_min_mhz"]
    return asked


def workload_identity(workload: WorkloadSpec) -> dict[str, Any]:
    """Return a workload as plain data, without the limits it is judged by afterwards and the places of its files."""
    relevant = replace(
        workload,
        slo=SloSpec(),
        max_failed_fraction=0.0,
        prompts=replace(workload.prompts, path=None),
        arrival=replace(workload.arrival, trace_path=None),
    )
    return asdict(relevant)


def _deployment(deployment: DeploymentSpec, study: "Study") -> dict[str, Any]:
    return {
        "deployment": deployment_identity(deployment),
        "engine": {} if deployment.device == "external" else dict(study.engine_versions),
        "model": _model_fingerprint(deployment),
    }


def _workload(workload: WorkloadSpec) -> dict[str, Any]:
    content = [content_fingerprint(path) for path in study_files(workload) if path.exists()]
    return {**workload_identity(workload), "content": content}


def _model_fingerprint(deployment: DeploymentSpec) -> list[Any]:
    """Return what tells two contents of a model folder apart without reading the weights."""
    if deployment.model.source != "path":
        return []
    folder = Path(deployment.model.location).expanduser()
    config = folder / "config.json"
    content = content_fingerprint(config) if config.is_file() else ""
    return [content, *sorted([path.name, path.stat().st_size] for path in folder.glob("*.safetensors"))]
