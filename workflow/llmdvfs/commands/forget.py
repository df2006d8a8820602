"""`forget`: sets finished measurements aside, so that the next run measures them again."""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from llmdvfs.benchmark.results_lock import results_lock
from llmdvfs.benchmark.store import forget
from llmdvfs.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "selection",
        nargs="+",
        metavar="SELECTION",
        help="cells as deployment/workload/point/launch-N; * stands for anything: 'single_*/decode/*'",
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder (default: results)")


def run(options: argparse.Namespace) -> int:
    """Move the selected measurements from the store to results/forgotten."""
    cells = options.results / "cells"
    folders = sorted({path.parent for path in cells.glob("*/*/*/*/measured-*.json")})
    names = {str(folder.relative_to(cells)): folder for folder in folders}
    chosen = [name for name in names if any(_matches(name, pattern) for pattern in options.selection)]
    if not chosen:
        raise ConfigError(f"{' '.join(options.selection)}: no measured or failed cell has such a name; see {cells}")
    with results_lock(options.results):
        for name in chosen:
            forget(options.results, names[name])
            print(f"forgotten: {name}")
    return 0


def _matches(name: str, pattern: str) -> bool:
    """Return whether a selection names the cell, or a folder that the cell lies in."""
    return fnmatch(name, pattern) or fnmatch(name, f"{pattern.rstrip('/')}/*")
