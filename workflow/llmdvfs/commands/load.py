"""`load`: runs one load, in a process of its own so that nothing shares the client's interpreter."""

import argparse
import signal
import sys
from pathlib import Path

from llmdvfs.commands.numbers import whole_number
from llmdvfs.errors import ConfigError, DataError
from llmdvfs.host.child import set_parent_death_signal
from llmdvfs.load.run import run_load, run_load_until_told
from llmdvfs.records.api_key import api_key
from llmdvfs.records.counted import counted
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.store import read_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("spec", type=Path, help="load_spec.json: workload, endpoint, seeds and output folder")
    parser.add_argument("--held", action="store_true", help="say `ready`, and wait for a line before anything is sent")
    parser.add_argument("--parent", type=whole_number, help="process that this one ends with (default: none)")


def run(args: argparse.Namespace) -> int:
    """Run the load and print its outcomes."""
    if args.parent is not None:
        set_parent_death_signal(signal.SIGKILL, args.parent)
    spec = read_record(args.spec, LoadSpec)
    hold = _say_ready_and_wait if args.held else lambda: None
    if spec.until_told:
        print(f"{counted(run_load_until_told(spec, _api_key(spec.api_key_env), hold), 'request')} ended")
        return 0
    report = run_load(spec, _api_key(spec.api_key_env), hold)
    print(", ".join(f"{num} {outcome}" for outcome, num in sorted(report.outcomes.items())) or "no request")
    return 0


def _say_ready_and_wait() -> None:
    print("ready", flush=True)
    if not sys.stdin.readline():
        raise DataError("the load was never told to begin: whoever started it has gone")


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if (key := api_key(variable)) is None:
        raise ConfigError(f"environment variable {variable} is empty; it should hold the key of the endpoint")
    return key
