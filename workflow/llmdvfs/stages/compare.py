"""`compare`: the results of all cells -> comparison.json, comparison.csv and frequency_analysis_summary.csv."""

import argparse
from pathlib import Path

import pandas as pd

from llmdvfs.comparison.groups import compare
from llmdvfs.comparison.rows import comparison_rows, summary_rows
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.places import FAILED, RAW, RUN, listed_cells
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--cells", type=Path, required=True, help="list of the cells' folders, a line each")
    parser.add_argument("--baseline", help="architecture that others are related to; the simplest where none is named")
    parser.add_argument("--output", type=Path, required=True, help="comparison.json to write")
    parser.add_argument("--csv", type=Path, required=True, help="comparison.csv to write: one row a cell")
    parser.add_argument(
        "--frequencies", type=Path, required=True, help="summary to write: one row a deployment and point"
    )


def run(options: argparse.Namespace) -> int:
    """Compare all cells."""
    measured, without = listed_cells(options.cells)
    results = [read_record(folder / "result.json", CellResult) for folder in measured]
    runs = [read_record(folder / RAW / RUN, RunRecord) for folder in measured]
    failed = [read_record(folder / RAW / FAILED, FailedCell) for folder in without]
    without_result = {item.cell: item.cause for item in failed}
    record = compare(results, runs, without_result, options.baseline)
    write_record(options.output, record)
    write_text(options.csv, pd.DataFrame(comparison_rows(record)).to_csv(index=False))
    write_text(options.frequencies, pd.DataFrame(summary_rows(record)).to_csv(index=False))
    return 0
