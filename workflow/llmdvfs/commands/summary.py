"""`summary`: from comparison.json to the verdict and its tables, as text, Markdown and tidy rows."""

import argparse
from pathlib import Path

from llmdvfs.commands.files import file_to_write
from llmdvfs.comparison.words.markdown import comparison_markdown
from llmdvfs.comparison.words.rows import tidy_rows
from llmdvfs.comparison.words.text import comparison_text
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.csv_text import csv_text
from llmdvfs.records.store import read_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--comparison", type=Path, required=True, help="comparison.json")
    parser.add_argument("--output", type=file_to_write, help="text to write; without it the text is printed")
    parser.add_argument("--markdown", type=file_to_write, help="the same as Markdown, with every metric")
    parser.add_argument("--csv", type=file_to_write, help="tidy table to write: one row a value")


def run(options: argparse.Namespace) -> int:
    """Write the files that were asked for, or print the text."""
    record = read_record(options.comparison, ComparisonRecord)
    if options.output is None:
        print(comparison_text(record), end="")
    else:
        write_text(options.output, comparison_text(record))
    if options.markdown is not None:
        write_text(options.markdown, comparison_markdown(record))
    if options.csv is not None:
        write_text(options.csv, csv_text(tidy_rows(record)))
    return 0
