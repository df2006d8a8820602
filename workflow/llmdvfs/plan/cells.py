"""The cells of a study, and which of them are still to be measured."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from llmdvfs.errors import MISREAD, ConfigError
from llmdvfs.host.capabilities import may_set_clocks
from llmdvfs.plan.identity import StudyIdentities
from llmdvfs.plan.points import distinct_points
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.plan.side_by_side import is_beside
from llmdvfs.plan.study import Study
from llmdvfs.plan.under_load import is_repeat, is_under_load, sweep_order
from llmdvfs.records.job import CellJob, LaunchJob
from llmdvfs.records.places import RAW, RUN, cell_folder, measured_link, store_entry
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import is_whole


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell, the key of the measurement that is asked for, and whether its folder holds that measurement."""

    id: CellId
    key: str
    link: Path
    """The file that Snakemake sees; it leads to a whole run.json only where the cell holds this very measurement."""
    is_held: bool
    """Whether the cell's folder holds the measurement, or (where that is tolerated) its failure."""
    is_permitted: bool = False
    """Whether it was measured, or is to be measured, with the right to set its operating point."""


@dataclass(frozen=True, slots=True)
class PlannedLaunch:
    """One benchmark job: the missing cells of one launch of a deployment."""

    deployment: str
    job: LaunchJob
    cells: tuple[PlannedCell, ...]
    """The cells, in the order of job.cells."""
    mixed_starts: tuple[str, ...] = ()
    """Ids of the server starts that its cells come from, if all cells are there and only lack a start in common; else
    empty."""

    @property
    def one_start(self) -> str | None:
        """Return the name of the file that says that these starts were replaced by one; None: they were not mixed.

        The starts are part of the name, so that it is missing whenever they are mixed anew.
        """
        if not self.mixed_starts:
            return None
        digest = hashlib.sha256(" ".join(self.mixed_starts).encode()).hexdigest()[:12]
        return f"{self.deployment}.launch-{self.job.launch}.replaced-{digest}"

    @property
    def missing_link(self) -> Path | None:
        """Return the link of a missing cell, asking for which brings the whole launch; None: none is missing."""
        return next((cell.link for cell in self.cells if not cell.is_held), None)


def all_cells(study: Study) -> Iterator[CellId]:
    """Yield every cell of the study: launch 1 of all deployments first, then launch 2, and so on."""
    for launch in study.launches:
        for deployment in study.deployments:
            yield from launch_cells(study, deployment, launch)


def launch_cells(study: Study, deployment: str, launch: int) -> list[CellId]:
    """Return a launch's cells in their random order, in which adding a cell leaves the others as they are.

    Cells whose points share a load stand together, with stock among them as often as a sweep has it (`sweep_order`).
    """

    def place(*what: str) -> int:
        return derive_seed(study.seed, "order", launch, *what)

    runs: list[tuple[int, list[str], str]] = []  # (random place in the launch, points, workload)
    for name, points in _points_by_workload(study, deployment, launch).items():
        if is_under_load(study.workloads[name], study.settings):
            stock = [point for point in points if not study.points[point].asks_for_something]
            others = sorted(set(points) - set(stock), key=lambda point: place(name, point))
            runs.append((place(name), sweep_order(stock, others), name))
        else:
            own = [point for point in points if not is_repeat(point)]
            runs += [(place(name, point), [point], name) for point in own]
    return [
        CellId(deployment, workload, point, launch)
        for _, together, workload in sorted(runs, key=lambda run: run[0])
        for point in together
    ]


def _points_by_workload(study: Study, deployment: str, launch: int) -> dict[str, list[str]]:
    """Return the points of each workload in a launch, in the study's order: all of them, or what a search decided."""
    if study.decided is None:
        points = distinct_points(study.points.values(), study.deployments[deployment].engine)
        return dict.fromkeys(study.workloads, points)
    return {
        workload: [point for point in study.points if CellId(deployment, workload, point, launch) in study.decided]
        for workload in study.workloads
    }


def plan_cells(study: Study) -> list[PlannedCell]:
    """Return every cell of the study with its key, and whether its folder holds that measurement.

    Where nothing is to be measured (`analyse_only`) these are the cells that are measured. Raises ConfigError where a
    folder's links contradict each other: somebody has moved or edited them.
    """
    identities, may_set = StudyIdentities(study), not study.analyse_only and bool(may_set_clocks())
    planned = [_planned_cell(study, identities, cell, may_set) for cell in all_cells(study)]
    return [cell for cell in planned if cell.is_held or _is_stored(study, cell)] if study.analyse_only else planned


def pending_launches(study: Study, cells: Iterable[PlannedCell] | None = None) -> list[PlannedLaunch]:
    """Return the launches that have cells whose folder does not hold the measurement that is asked for.

    cells: what plan_cells returned, where the caller has it; None: it is worked out.
    """
    identities = StudyIdentities(study)
    by_launch: dict[tuple[int, str], list[PlannedCell]] = {}
    for cell in plan_cells(study) if cells is None else cells:
        by_launch.setdefault((cell.id.launch, cell.id.deployment), []).append(cell)
    launches = []
    for (launch, deployment), own in by_launch.items():
        missing, mixed = [cell for cell in own if not cell.is_held], []
        if study.strict_launches and not study.analyse_only:
            starts = [] if missing else _starts(own)
            mixed = starts if len(starts) > 1 else []
            if missing or mixed:
                missing = own  # whatever is there of the launch comes from another start of its servers
        if missing:
            planned = _planned_launch(study, identities, deployment, launch, missing)
            launches.append(replace(planned, mixed_starts=tuple(mixed)))
    return launches


def _planned_cell(study: Study, identities: StudyIdentities, cell: CellId, may_set: bool) -> PlannedCell:
    folder, key, is_permitted = cell_folder(study.results, cell), identities.key(cell), False
    if study.points[cell.point].asks_for_something:
        permitted = identities.key(cell, permitted=True)
        without = store_entry(study.results, key) / RUN
        is_wanted = may_set and (not without.exists() or _was_not_permitted(without))
        if is_wanted or _is_known(study, folder, permitted):
            key, is_permitted = permitted, True
    link = measured_link(folder, key)
    is_held = is_whole(link) and (study.tolerate_failed_cells or not _is_failure(link))
    if is_held:
        _check_raw(folder, key)
    return PlannedCell(cell, key, link, is_held, is_permitted)


def _is_stored(study: Study, cell: PlannedCell) -> bool:
    return is_whole(store_entry(study.results, cell.key) / RUN)


def _is_known(study: Study, folder: Path, key: str) -> bool:
    return measured_link(folder, key).exists() or store_entry(study.results, key).is_dir()


def _was_not_permitted(run: Path) -> bool:
    """Whether a measurement ran at stock clocks because this process had no right to set others.

    Such a cell is measured again, under another key, once there is the right; not again and again, should the driver
    still refuse.
    """
    try:
        told = json.loads(run.read_bytes())
        applied = told.get("applied") or {}
        before = any(str(text).startswith("operating point not_permitted") for text in told.get("warnings", ()))
        return bool(applied.get("state") == "not_permitted" or (not applied and before))
    except (OSError, *MISREAD):
        return False  # damaged: whoever reads it whole says so


def _is_failure(link: Path) -> bool:
    """Whether the link leads to the record of a failure; where links cannot be read, the file's content tells."""
    try:
        return link.readlink().name != RUN
    except OSError:
        return '"llmdvfs/failed-cell"' in link.read_text(encoding="utf-8", errors="replace")[:200]


def _check_raw(folder: Path, key: str) -> None:
    """Refuse a folder whose `raw` leads to another measurement than its link says."""
    try:
        held = (folder / RAW).readlink().name
    except OSError:
        return  # a copy, on a file system without links, or the folder of a failure
    if held != key:
        raise ConfigError(
            f"{folder / RAW} leads to measurement {held}, and the link beside it says {key}: somebody has changed one "
            f"of them; remove {folder} (nothing measured is lost: the store has it), and run again"
        )


def _starts(cells: Iterable[PlannedCell]) -> list[str]:
    """Return the server starts that the cells' measurements come from, each once."""
    found = {_server_start(cell.link) for cell in cells if cell.is_held}
    return sorted(start for start in found if start is not None)


def _server_start(run: Path) -> str | None:
    """Return the name of the start that a run.json tells; None: it tells none, as the record of a failure."""
    try:
        return str(json.loads(run.read_bytes())["server_start"]["id"])
    except (OSError, *MISREAD):
        return None


def _planned_launch(
    study: Study, identities: StudyIdentities, deployment: str, launch: int, missing: list[PlannedCell]
) -> PlannedLaunch:
    job = LaunchJob(
        launch=launch,
        seed=study.seed,
        cells=tuple(
            CellJob(
                cell.id.workload,
                cell.id.point,
                cell.key,
                identities.identity(cell.id, permitted=cell.is_permitted),
            )
            for cell in missing
        ),
        workloads={cell.id.workload: study.workloads[cell.id.workload] for cell in missing},
        points={cell.id.point: study.points[cell.id.point] for cell in missing},
        settings=study.settings,
        one_start=study.strict_launches and not study.analyse_only,
        tolerate_failures=study.tolerate_failed_cells,
        side_by_side=is_beside(study.settings, launch),
    )
    return PlannedLaunch(deployment, job, tuple(missing))
