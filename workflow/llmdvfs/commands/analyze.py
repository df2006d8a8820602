"""`analyze`: from a cell's raw folder and phases to its result.json."""

import argparse
import os
from pathlib import Path

from llmdvfs.analysis.cell import analyze_cell
from llmdvfs.commands.collector import collect_seldom
from llmdvfs.commands.gate_limits import gate_limits
from llmdvfs.commands.numbers import whole_number
from llmdvfs.errors import input_boundary
from llmdvfs.records import made
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.places import RAW
from llmdvfs.records.raw import read_raw
from llmdvfs.records.result_text import result_line
from llmdvfs.records.store import read_record, write_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("cells", type=Path, nargs="+", help="folders of cells that have been merged")
    parser.add_argument("--gates", type=gate_limits, default={}, help="limits of the gates, as JSON")
    parser.add_argument("--seed", type=whole_number, required=True, help="root of the bootstrap's seed")
    parser.add_argument(
        "--tell", type=whole_number, help="file descriptor: a line a cell is written to it, if it is a terminal"
    )


def run(options: argparse.Namespace) -> int:
    """Analyze the cells, one after the other, and write their results."""
    collect_seldom()
    for cell in options.cells:
        made.begin(cell, "analyze")
        with input_boundary(str(cell)):
            phases = read_record(cell / "phases.json", PhasesRecord)
            result = analyze_cell(read_raw(cell / RAW), phases, limits=options.gates, seed=options.seed)
            write_record(cell / "result.json", result)
        if options.tell is not None and os.isatty(options.tell):
            os.write(options.tell, f"{result.cell.folder()}: {result_line(result)}\n".encode())
    return 0
