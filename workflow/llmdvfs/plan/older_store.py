"""Measurements that are older than keys in paths: recognised, and never mixed in silently.

Their keys hashed the measuring code as well, and cannot be worked out again. What their run.json says is compared with
what the study asks for: deployment, workload, operating point, launch, seeds and engine. What it does not say cannot be
compared: the settings of the measurement, the content of data files and of the model's folder, the code that measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.errors import ConfigError, SchemaError
from llmdvfs.plan.cells import PlannedCell
from llmdvfs.plan.identity import deployment_identity, workload_identity
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.study import Study
from llmdvfs.plan.under_load import is_under_load
from llmdvfs.records.places import IDENTITY, RUN, STORE, store_entry
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_record

NOT_RECORDED = ("settings of the measurement", "content of data files", "content of the model folder", "measuring code")


@dataclass(frozen=True, slots=True)
class OlderMeasurement:
    """A measurement of the older kind whose run.json says what a missing cell asks for."""

    cell: PlannedCell
    folder: Path
    """Its folder in the store, named by its old key."""


def older_measurements(study: Study, cells: Iterable[PlannedCell]) -> list[OlderMeasurement]:
    """Return the older measurements that fit missing cells of the study: for each cell the newest, if any."""
    missing = {cell.id: cell for cell in cells if not cell.is_held and not _is_stored(study, cell)}
    found: dict[CellId, tuple[float, OlderMeasurement]] = {}
    for folder, run in _older_runs(study.results / STORE) if missing else ():
        cell = missing.get(run.cell)
        if cell is None or not _matches(run, study):
            continue
        if run.cell not in found or found[run.cell][0] < run.started_unix_s:
            found[run.cell] = (run.started_unix_s, OlderMeasurement(cell, folder))
    return [older for _, older in found.values()]


def refuse_older(older: Iterable[OlderMeasurement]) -> None:
    """Raise ConfigError where there are any: the user has to decide whether to take them over or measure again."""
    names = [item.cell.id.folder() for item in older]
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ConfigError(
            f"results/store has measurements of {names[0]}{more} from before keys were part of paths. They say of "
            f"themselves what this study asks for, but nothing of: {', '.join(NOT_RECORDED)}. "
            "`python -m llmdvfs migrate` (with the --configfile and --config of this run) takes them over; "
            "with --set-aside they are measured again"
        )


def _is_stored(study: Study, cell: PlannedCell) -> bool:
    return (store_entry(study.results, cell.key) / RUN).is_file()


def _older_runs(store: Path) -> Iterable[tuple[Path, RunRecord]]:
    for path in sorted(store.glob(f"*/{RUN}")):
        if not (path.parent / IDENTITY).exists():
            try:
                yield path.parent, read_record(path, RunRecord)
            except SchemaError:
                continue  # not of this project, or damaged; it matches nothing


def _matches(run: RunRecord, study: Study) -> bool:
    deployment = study.deployments[run.cell.deployment]
    seeds = {
        purpose: derive_seed(study.seed, purpose, run.cell.launch, run.cell.workload)
        for purpose in ("prompts", "arrivals")
    }
    is_external = deployment.device == "external"
    return (
        deployment_identity(run.deployment) == deployment_identity(deployment)
        and workload_identity(run.workload) == workload_identity(study.workloads[run.cell.workload])
        and run.point == study.points[run.cell.point]
        and not is_under_load(run.workload, study.settings)
        and run.seeds == seeds
        and (is_external or run.server_start.engine_versions == study.engine_versions)
    )
