"""`export`: writes a run in the file layout of `vllm bench serve --save-result`."""

import argparse
import json
from pathlib import Path

from llmdvfs.load.peers.lens import read_seen
from llmdvfs.load.peers.vllm_export import vllm_result
from llmdvfs.load.schedule.tokens import token_counter
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.store import read_record, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="raw folder of a cell, with its journal.bin and load_spec.json")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")


def run(args: argparse.Namespace) -> int:
    """Write the file and print its path."""
    spec = read_record(args.folder / "load_spec.json", LoadSpec)
    journal = args.folder / "journal.bin"
    tokenizer_folder = Path(spec.tokenizer_folder) if spec.tokenizer_folder else None
    seen = read_seen(journal, token_counter(tokenizer_folder))
    result = vllm_result(seen, spec.workload, model=spec.model, ended_unix_s=journal.stat().st_mtime)
    write_text(args.output, json.dumps(result) + "\n")
    print(args.output)
    return 0
