"""`measuring`: writes the measuring version, and the fingerprints of the code that it stands for."""

import argparse
import json
from pathlib import Path

from llmdvfs.plan.measuring import MEASURING_VERSION, measuring_files
from llmdvfs.records.store import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")


def run(options: argparse.Namespace) -> int:
    """Write the file that tests/unit/plan/test_measuring.py compares the code with."""
    content = {"measuring_version": MEASURING_VERSION, "files": measuring_files()}
    write_text(options.output, json.dumps(content, indent=1) + "\n")
    return 0
