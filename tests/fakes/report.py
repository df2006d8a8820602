"""What the page is made of, from made-up cells."""

from collections.abc import Sequence

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.report.cells import ReportedCell, ReportedStudy


def reported(cells: Sequence[MeasuredCell]) -> ReportedStudy:
    """Return the study of these cells, without answers on clocks."""
    return ReportedStudy(
        comparison=compare([cell.result for cell in cells], [cell.run for cell in cells]),
        cells=tuple(ReportedCell(cell.result, cell.run, cell.timeline) for cell in cells),
        answers=None,
    )
