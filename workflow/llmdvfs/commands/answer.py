"""`answer`: from the results of all cells to answers.json, answers.csv, recommended_clocks.json and a table."""

import argparse
from dataclasses import replace
from pathlib import Path

from llmdvfs.answers.answer import answers
from llmdvfs.answers.choice import Confirmed
from llmdvfs.answers.lookup import lookup_rows, lookup_table
from llmdvfs.answers.recommend import recommend
from llmdvfs.answers.table import answer_rows
from llmdvfs.answers.words import table
from llmdvfs.figures.answer_figures import ANSWER_FIGURES
from llmdvfs.figures.parts.style import save_figure
from llmdvfs.records.csv_text import csv_text
from llmdvfs.records.places import RAW, RUN, listed_cells
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.search import SearchRecord
from llmdvfs.records.store import read_record, write_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--cells", type=Path, required=True, help="list of the cells' folders, a line each")
    parser.add_argument("--search", type=Path, help="decided.json of the search that decided the cells")
    parser.add_argument("--output", type=Path, required=True, help="answers.json to write")
    parser.add_argument("--csv", type=Path, required=True, help="answers.csv to write: one row a point")
    parser.add_argument("--recommended", type=Path, required=True, help="recommended_clocks.json to write")
    parser.add_argument("--lookup", type=Path, required=True, help="lookup.csv to write: one row a load")
    parser.add_argument("--figures", type=Path, required=True, help="folder of the figures, each a PNG and a PDF")
    parser.add_argument("--table", type=Path, required=True, help="text table to write")


def run(options: argparse.Namespace) -> int:
    """Work out which clocks to set at each load, write the files and print the table."""
    folders, _ = listed_cells(options.cells)
    measured = [
        (read_record(folder / "result.json", CellResult), read_record(folder / RAW / RUN, RunRecord))
        for folder in folders
    ]
    record = answers(measured, _confirmed(options.search) if options.search else None)
    write_record(options.output, record)
    lookup = lookup_table(record.answers)
    write_record(options.recommended, replace(recommend(record, measured), lookup=lookup))
    write_text(options.lookup, csv_text(lookup_rows(lookup, modelled=record.modelled)))
    write_text(options.csv, csv_text(answer_rows(record)))
    write_text(options.table, table(record))
    for name, draw in ANSWER_FIGURES.items():
        save_figure(draw(record), options.figures / f"{name}.png", modelled=record.modelled)
    return 0


def _confirmed(file: Path) -> dict[tuple[str, str], Confirmed]:
    """Return what the search chose at each load before the launches that confirm it; nothing while it goes on."""
    return {
        (load.deployment, load.workload): Confirmed(step.chosen, set(step.launches), load.text)
        for load in read_record(file, SearchRecord).loads
        if (step := load.confirmation) is not None
    }
