"""`compare`: from the results of all cells to comparison.json and its CSVs; of two folders, a summary."""

import argparse
from pathlib import Path

from llmdvfs.commands.files import file_to_write
from llmdvfs.commands.numbers import not_below_zero
from llmdvfs.comparison.groups import MARGIN_FRACTION, compare
from llmdvfs.comparison.summary import Measured
from llmdvfs.comparison.two_folders import compare_two, labels_of
from llmdvfs.comparison.words.rows import comparison_rows, summary_rows
from llmdvfs.comparison.words.text import comparison_text
from llmdvfs.errors import DataError
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.csv_text import csv_text
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.places import FAILED, RAW, RUN, listed_cells, result_folders
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folders", type=Path, nargs="*", help="two results folders: the second is related to the first")
    parser.add_argument("--cells", type=Path, help="in place of folders: list of the cells' folders, a line each")
    parser.add_argument("--baseline", help="architecture that others are related to; the simplest where none is named")
    parser.add_argument("--unlike", action="store_true", help="relate also what is not alike, and say what differs")
    parser.add_argument(
        "--margin",
        type=not_below_zero,
        default=MARGIN_FRACTION,
        help="a ratio within this of 1 counts as equal (0.05: 5 %%)",
    )
    parser.add_argument("--output", type=file_to_write, help="comparison.json to write")
    parser.add_argument("--csv", type=file_to_write, help="comparison.csv to write: one row a cell")
    parser.add_argument("--frequencies", type=file_to_write, help="summary to write: one row a deployment and point")


def run(options: argparse.Namespace) -> int:
    """Compare all cells and write the files that were asked for; of two results folders the summary is printed."""
    if len(options.folders) != (2 if options.cells is None else 0):
        raise DataError(
            f"{len(options.folders)} folders and {'a' if options.cells else 'no'} --cells list were given; "
            "expected two results folders, or --cells"
        )
    record = _listed(options) if options.cells else _two_folders(options)
    if options.output is not None:
        write_record(options.output, record)
    if options.csv is not None:
        write_text(options.csv, csv_text(comparison_rows(record)))
    if options.frequencies is not None:
        write_text(options.frequencies, csv_text(summary_rows(record)))
    if options.folders:
        print(comparison_text(record), end="")
    return 0


def _listed(options: argparse.Namespace) -> ComparisonRecord:
    measured, without = listed_cells(options.cells)
    cells = _read(measured)
    failed = [read_record(folder / RAW / FAILED, FailedCell) for folder in without]
    return compare(
        [result for result, _ in cells],
        [run for _, run in cells],
        {item.cell: item.cause for item in failed},
        options.baseline,
        unlike=options.unlike,
        margin_fraction=options.margin,
    )


def _two_folders(options: argparse.Namespace) -> ComparisonRecord:
    first, second = options.folders
    label, other_label = labels_of(first, second)
    return compare_two(
        (label, _read(result_folders(first))),
        (other_label, _read(result_folders(second))),
        unlike=options.unlike,
        margin_fraction=options.margin,
    )


def _read(folders: list[Path]) -> list[Measured]:
    return [
        (read_record(folder / "result.json", CellResult), read_record(folder / RAW / RUN, RunRecord))
        for folder in folders
    ]
