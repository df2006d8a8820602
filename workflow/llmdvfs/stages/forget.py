"""`forget`: set finished measurements aside, so that the next run measures them again."""

import argparse
import shutil
from fnmatch import fnmatch
from pathlib import Path

from llmdvfs.benchmark.store import entry, set_aside
from llmdvfs.errors import ConfigError
from llmdvfs.records.failed import FailedCell
from llmdvfs.records.raw import FAILED, RUN
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record


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
    files = [*cells.glob(f"*/*/*/*/raw/{RUN}"), *cells.glob(f"*/*/*/*/raw/{FAILED}")]
    folders = sorted(path.parent.parent for path in files)
    names = {str(folder.relative_to(cells)): folder for folder in folders}
    chosen = [name for name in names if any(_matches(name, pattern) for pattern in options.selection)]
    if not chosen:
        raise ConfigError(f"{' '.join(options.selection)}: no measured or failed cell has such a name; see {cells}")
    for name in chosen:
        raw = names[name] / "raw"
        record: RunRecord | FailedCell
        record = read_record(raw / RUN, RunRecord) if (raw / RUN).exists() else read_record(raw / FAILED, FailedCell)
        key = record.key
        shutil.rmtree(raw)
        if entry(options.results, key).is_dir():
            set_aside(entry(options.results, key), options.results / "forgotten", key)
        print(f"forgotten: {name}")
    return 0


def _matches(name: str, pattern: str) -> bool:
    """Whether a selection names the cell or a folder that it lies in."""
    return fnmatch(name, pattern) or fnmatch(name, f"{pattern.rstrip('/')}/*")
