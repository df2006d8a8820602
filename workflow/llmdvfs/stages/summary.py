"""`summary`: comparison.json -> a short table."""

import argparse
from pathlib import Path

from llmdvfs.comparison.table import comparison_table
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.store import read_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--output", type=Path, help="file to write; without it the table is printed")


def run(options: argparse.Namespace) -> int:
    """Write or print the table."""
    table = comparison_table(read_record(options.comparison, ComparisonRecord))
    if options.output is None:
        print(table, end="")
    else:
        write_text(options.output, table)
    return 0
