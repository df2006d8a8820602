"""`lens`: prints a run's numbers as other benchmarks define them."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from llmdvfs.load.peers.lens import LENSES, LensNumbers, numbers, read_load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, help="raw folder of a cell, with its journal.bin and load_spec.json")


def run(args: argparse.Namespace) -> int:
    """Print a table with one column for each benchmark."""
    _, requests = read_load(args.folder)
    columns = {name: _figures(numbers(requests, name)) for name in LENSES}
    width = max(len(name) for name in columns) + 2
    print(" " * 16 + "".join(name.rjust(width) for name in columns))
    for row in next(iter(columns.values())):
        print(row.ljust(16) + "".join(column[row].rjust(width) for column in columns.values()))
    print(
        f"{len(requests)} sent requests, whole load, from the actual send. TPOT, and aiperf's ITL, are over requests;"
        " the ITL of the others is over gaps. guidellm has each request's mean once a token in both; its TPOT contains"
        " the TTFT, its E2E ends with the stream."
    )
    return 0


def _figures(seen: LensNumbers) -> dict[str, str]:
    figures = {"successes": str(seen.num_successes), "output tokens": str(seen.num_output_tokens)}
    for name, values_s in (("TTFT", seen.ttft_s), ("TPOT", seen.tpot_s), ("ITL", seen.itl_s), ("E2E", seen.e2e_s)):
        for statistic, value in _statistics(values_s, seen.percentile_method).items():
            figures[f"{name} {statistic} ms"] = value
    return figures


def _statistics(values_s: Sequence[float], method: Literal["linear", "inverted_cdf"]) -> dict[str, str]:
    if not values_s:
        return dict.fromkeys(("mean", "p50", "p99"), "-")
    values_ms = np.asarray(values_s) * 1e3
    p50, p99 = np.percentile(values_ms, [50, 99], method=method)
    found = {"mean": values_ms.mean(), "p50": p50, "p99": p99}
    return {statistic: f"{value:.3f}" for statistic, value in found.items()}
