"""`monitor-merge`: from a cell's raw folder to timeline.csv and phases.json."""

import argparse
from pathlib import Path

from llmdvfs.analysis.axis.merge import merge
from llmdvfs.analysis.axis.timeline import timeline_csv
from llmdvfs.commands.collector import collect_seldom
from llmdvfs.errors import input_boundary
from llmdvfs.records import made
from llmdvfs.records.places import RAW
from llmdvfs.records.raw import read_raw
from llmdvfs.records.store import write_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cells", type=Path, nargs="+", help="folders of cells that have been measured")


def run(options: argparse.Namespace) -> int:
    """Merge the cells, one after the other, and write their files."""
    collect_seldom()
    for cell in options.cells:
        made.begin(cell, "merge")
        with input_boundary(str(cell)):
            phases, table = merge(read_raw(cell / RAW))
            write_record(cell / "phases.json", phases, indent=None)
            write_text(cell / "timeline.csv", timeline_csv(table))
    return 0
