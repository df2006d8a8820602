"""Which of the cells that a search has decided have been measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llmdvfs.answers.point_tables import Measured
from llmdvfs.plan.cells import plan_cells
from llmdvfs.plan.study import Study
from llmdvfs.records.places import FAILED, RAW, RUN, cell_folder
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.search import SearchedLoad, SearchRound
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_record

RESULT = "result.json"


@dataclass(frozen=True, slots=True)
class Cells:
    """The finished cells of a study, by their ids."""

    held: frozenset[CellId] = frozenset()
    """Cells that are measured as the configuration asks and analysed, or have failed where that is tolerated."""
    results: Mapping[CellId, Measured] = field(default_factory=dict)
    """Result and run of those of them that have a result."""

    def of(self, load: SearchedLoad, step: SearchRound | None = None) -> list[Measured]:
        """Return the results of a load, or (step) those of one of its rounds alone, by launch and point."""
        launches = None if step is None else set(step.launches)
        found = [
            cell
            for cell in self.results
            if (cell.deployment, cell.workload) == (load.deployment, load.workload)
            and (launches is None or cell.launch in launches)
        ]
        return [self.results[cell] for cell in sorted(found, key=lambda cell: (cell.launch, cell.point))]


def finished_cells(study: Study) -> Cells:
    """Return the finished cells in the results folder of a study whose cells are decided."""
    folders = {cell.id: cell_folder(study.results, cell.id) for cell in plan_cells(study) if cell.is_held}
    results = {
        cell: (read_record(folder / RESULT, CellResult), read_record(folder / RAW / RUN, RunRecord))
        for cell, folder in folders.items()
        if (folder / RESULT).exists()
    }
    failed = {cell for cell, folder in folders.items() if (folder / RAW / FAILED).exists()}
    return Cells(frozenset(results) | failed, results)
