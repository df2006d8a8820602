"""`answer`: the results of all cells -> answers.json, answers.csv, recommended_clocks.json and a table."""

import argparse
from pathlib import Path

import pandas as pd

from llmdvfs.answers.answer import answers
from llmdvfs.answers.recommend import recommend
from llmdvfs.answers.table import answer_rows
from llmdvfs.answers.words import table
from llmdvfs.figures.dvfs_energy_time import dvfs_energy_time
from llmdvfs.figures.parts.style import save_figure
from llmdvfs.records.places import RAW, RUN, listed_cells
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record, write_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--cells", type=Path, required=True, help="list of the cells' folders, a line each")
    parser.add_argument("--output", type=Path, required=True, help="answers.json to write")
    parser.add_argument("--csv", type=Path, required=True, help="answers.csv to write: one row a point")
    parser.add_argument("--recommended", type=Path, required=True, help="recommended_clocks.json to write")
    parser.add_argument("--figure", type=Path, required=True, help="energy_time.png to write, and a PDF beside it")
    parser.add_argument("--table", type=Path, required=True, help="text table to write")


def run(options: argparse.Namespace) -> int:
    """Answer which clocks."""
    folders, _ = listed_cells(options.cells)
    measured = [
        (read_record(folder / "result.json", CellResult), read_record(folder / RAW / RUN, RunRecord))
        for folder in folders
    ]
    record = answers(measured)
    write_record(options.output, record)
    write_record(options.recommended, recommend(record, measured))
    write_text(options.csv, pd.DataFrame(list(answer_rows(record))).to_csv(index=False))
    write_text(options.table, table(record))
    save_figure(dvfs_energy_time(record), options.figure, modelled=record.modelled)
    return 0
