"""The study as far as its search has decided it: the cells that `search/decided.json` names."""

from dataclasses import replace

from llmdvfs.errors import ConfigError
from llmdvfs.plan.study import Study
from llmdvfs.plan.under_load import is_under_load, stock_repeats
from llmdvfs.records.places import decided_file
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.search import SearchRecord
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_record


def as_decided(study: Study) -> Study:
    """Return the study with the cells that its search has decided so far; a study without a search as it is.

    Raises ConfigError where the search has not begun: then there is nothing to plan.
    """
    if study.search is None:
        return study
    record = decided_so_far(study)
    if record is None:
        raise ConfigError(
            f"search: {decided_file(study.results)} is not there, so no point has been decided yet: begin with "
            "`python -m llmdvfs search --configfile FILE`; snakemake alone draws what a search has measured"
        )
    return with_cells_of(study, record)


def decided_so_far(study: Study) -> SearchRecord | None:
    """Return what the search of the study's results folder has decided; None: nothing yet."""
    file = decided_file(study.results)
    return read_record(file, SearchRecord) if file.exists() else None


def with_cells_of(study: Study, record: SearchRecord) -> Study:
    """Return the study with the points and cells of the record, for the loads that the study still has."""
    idle = [point.id for point in study.points.values() if not point.asks_for_something]
    points: dict[str, OperatingPoint] = {}
    cells: set[CellId] = set()
    for load in record.loads:
        if load.deployment in study.deployments and load.workload in study.workloads:
            for step in load.rounds:
                own = [*step.points]
                if is_under_load(study.workloads[load.workload], study.settings):
                    own = [*own, *stock_repeats(len(idle), len(own))]
                points |= {point.id: point for point in own}
                cells |= {
                    CellId(load.deployment, load.workload, point, launch)
                    for launch in step.launches
                    for point in (*idle, *(point.id for point in own))
                }
    return replace(study, points={**study.points, **points}, decided=frozenset(cells))
