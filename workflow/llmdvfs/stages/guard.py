"""`guard`: runs one server, and ends all of its processes with it."""

import argparse
import os
from pathlib import Path

from llmdvfs.serving.instance.guard import Guarded, guard
from llmdvfs.stages.numbers import whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--log", type=Path, required=True, help="takes the command's output")
    parser.add_argument(
        "--parent", type=whole_number, default=None, help="process that this one ends with (default: its parent)"
    )
    parser.add_argument("--remove", type=Path, action="append", default=[], help="folder to remove at its end")
    parser.add_argument(
        "--lease-fd", type=whole_number, action="append", default=[], help="inherited lock to hold until then"
    )
    parser.add_argument("argv", nargs="+", help="the command, after --")


def run(args: argparse.Namespace) -> int:
    """Run the command under guard, and return its exit code."""
    parent = os.getppid() if args.parent is None else args.parent
    return guard(Guarded(args.argv, args.log, tuple(args.remove), tuple(args.lease_fd)), parent)
