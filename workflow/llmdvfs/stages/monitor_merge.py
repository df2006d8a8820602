"""`monitor-merge`: raw folder -> timeline.csv and phases.json."""

import argparse
from pathlib import Path

from llmdvfs.analysis.axis.merge import merge
from llmdvfs.analysis.axis.timeline import timeline_csv
from llmdvfs.records.raw import read_raw
from llmdvfs.records.store import write_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--raw", type=Path, required=True, help="raw folder of the cell")
    parser.add_argument("--timeline", type=Path, required=True, help="timeline.csv to write")
    parser.add_argument("--phases", type=Path, required=True, help="phases.json to write")


def run(options: argparse.Namespace) -> int:
    """Merge one cell."""
    phases, frame = merge(read_raw(options.raw))
    write_record(options.phases, phases)
    write_text(options.timeline, timeline_csv(frame))
    return 0
