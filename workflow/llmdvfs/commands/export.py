"""`export`: writes a run in the file layout of `vllm bench serve --save-result`."""

import argparse
import json
from pathlib import Path

from llmdvfs.commands.files import file_to_write
from llmdvfs.load.peers.lens import JOURNAL, read_load
from llmdvfs.load.peers.vllm_export import vllm_result
from llmdvfs.records.store import write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="raw folder of a cell, with its journal.bin and load_spec.json")
    parser.add_argument("--output", type=file_to_write, required=True, help="JSON file to write")


def run(args: argparse.Namespace) -> int:
    """Write the file and print its path."""
    spec, seen = read_load(args.folder)
    ended_unix_s = (args.folder / JOURNAL).stat().st_mtime
    result = vllm_result(seen, spec.workload, model=spec.model, ended_unix_s=ended_unix_s)
    write_text(args.output, json.dumps(result) + "\n")
    print(args.output)
    return 0
