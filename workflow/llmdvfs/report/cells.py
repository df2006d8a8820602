"""What the page is made of: every measured cell with its readings, and the comparison of all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from llmdvfs.records.answers import AnswersRecord
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord


@dataclass(frozen=True, slots=True)
class ReportedCell:
    """One measured cell: its result, its run and its readings."""

    result: CellResult
    run: RunRecord
    timeline: pd.DataFrame
    """The table of timeline.csv: a row a reading of a device."""

    @property
    def name(self) -> str:
        """Return `deployment/workload/point/launch-n`, which is the path of its folder too."""
        return self.result.cell.folder()


@dataclass(frozen=True, slots=True)
class ReportedStudy:
    """Everything that the page shows, all of it from records."""

    comparison: ComparisonRecord
    cells: tuple[ReportedCell, ...]
    answers: AnswersRecord | None
    """None: the study has no operating point but stock."""

    def by_name(self) -> Mapping[str, ReportedCell]:
        """Return the measured cells by the names of their folders."""
        return {cell.name: cell for cell in self.cells}
