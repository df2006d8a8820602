"""`merge-results`: measurements of other results folders -> one folder; conflicts are told, nothing is overwritten."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from llmdvfs.benchmark.merging import Merged, merge
from llmdvfs.benchmark.results_lock import results_lock
from llmdvfs.errors import DataError
from llmdvfs.records.counted import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("into", type=Path, help="results folder that the measurements are taken into")
    parser.add_argument(
        "others", type=Path, nargs="+", metavar="other", help="results folder that they are copied from"
    )


def run(options: argparse.Namespace) -> int:
    """Merge; DataError, after everything else was taken, where cells could not be."""
    found: list[Merged] = []
    with results_lock(options.into):
        for other in options.others:
            own = list(merge(other, options.into))
            if not own:
                raise DataError(
                    f"{other} has no cells/<deployment>/<workload>/<point>/launch-<n>/measured-*.json; expected the "
                    "results folder of a study that was measured"
                )
            print(f"{other}: {_told(own)}")
            found += own
    if conflicts := [item for item in found if item.conflict]:
        text = "".join(f"\n  {item.cell}: {item.conflict}" for item in conflicts)
        raise DataError(f"{len(conflicts)} of {len(found)} cells were not taken, nothing was overwritten:{text}")
    print(f"now `snakemake` with the study's configuration analyses {options.into}")
    return 0


def _told(merged: Sequence[Merged]) -> str:
    num_new = sum(item.is_new for item in merged)
    num_conflicts = sum(item.conflict is not None for item in merged)
    there = len(merged) - num_new - num_conflicts
    return f"{counted(num_new, 'cell')} taken, {there} there already, {counted(num_conflicts, 'conflict')}"
