"""`analyze`: raw folder and phases -> result.json."""

import argparse
import json
from pathlib import Path

from llmdvfs.analysis.cell import analyze_cell
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.raw import read_raw
from llmdvfs.records.store import read_record, write_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--raw", type=Path, required=True, help="raw folder of the cell")
    parser.add_argument("--phases", type=Path, required=True, help="phases.json of the cell")
    parser.add_argument("--gates", type=json.loads, default={}, help="limits of the gates, as JSON")
    parser.add_argument("--seed", type=int, required=True, help="root of the bootstrap's seed")
    parser.add_argument("--output", type=Path, required=True, help="result.json to write")


def run(options: argparse.Namespace) -> int:
    """Analyze one cell."""
    phases = read_record(options.phases, PhasesRecord)
    result = analyze_cell(read_raw(options.raw), phases, limits=options.gates, seed=options.seed)
    write_record(options.output, result)
    return 0
