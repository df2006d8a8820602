"""`report`: from records to report.html, one page that opens without a network."""

import argparse
from pathlib import Path

from llmdvfs.commands.files import file_to_write
from llmdvfs.records.answers import AnswersRecord
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.places import RAW, RUN, listed_cells
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_text
from llmdvfs.records.timeline_file import read_timeline
from llmdvfs.report.cells import ReportedCell, ReportedStudy
from llmdvfs.report.render import report_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--cells", type=Path, required=True, help="list of the cells' folders, a line each")
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--answers", type=Path, help="answers.json, where the study has operating points")
    parser.add_argument(
        "--output", type=file_to_write, required=True, help="report.html to write, into the results folder"
    )


def run(options: argparse.Namespace) -> int:
    """Write the page."""
    folders, _ = listed_cells(options.cells)
    study = ReportedStudy(
        comparison=read_record(options.comparison, ComparisonRecord),
        cells=tuple(_read_cell(folder) for folder in folders),
        answers=read_record(options.answers, AnswersRecord) if options.answers else None,
    )
    write_text(options.output, report_page(study))
    return 0


def _read_cell(folder: Path) -> ReportedCell:
    return ReportedCell(
        result=read_record(folder / "result.json", CellResult),
        run=read_record(folder / RAW / RUN, RunRecord),
        timeline=read_timeline(folder / "timeline.csv"),
    )
