"""The benches of the answers: modelled GPUs, and public sweeps where they are at hand."""

import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from modelled.truths import COMPUTE_SHARE, draw

sys.path.append(str(Path(__file__).parents[3] / "bench" / "dvfs"))

from study import searched

BENCH = Path(sys.path[-1])
SWEEPS = os.environ.get("LLMDVFS_CLOCK_SWEEPS")


def rows(script: str, *arguments: str) -> list[list[str]]:
    """Run a bench and return the cells of its first table."""
    done = subprocess.run([sys.executable, BENCH / script, *arguments], capture_output=True, text=True, check=True)
    lines = iter(done.stdout.splitlines())
    next(line for line in lines if line.startswith("|---"))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in takewhile(bool, lines)]


def test_the_search_finds_the_lowest_energy_of_modelled_gpus_in_a_quarter_of_the_cells(tmp_path: Path) -> None:
    """On average of the loads; a grid that is as sure has 30 clocks and stock in six launches.

    One GPU a load: docs/dvfs.md has a hundred and more, and the grid beside them, by the same functions.
    """
    found = [
        searched(draw(load, 0), np.random.default_rng([0, number, 7]), tmp_path / str(number))
        for number, load in enumerate(COMPUTE_SHARE)
    ]
    assert len(found) == 5
    assert max(each.regret for each in found) <= 0.02
    assert sum(each.num_cells for each in found) / 5 < 0.25 * 186


@pytest.mark.skipif(SWEEPS is None, reason="LLMDVFS_CLOCK_SWEEPS names no file of public sweeps")
def test_two_rounds_on_public_sweeps_come_within_two_percent() -> None:
    total = rows("replay.py", "--sweeps", str(SWEEPS), "--studies", "20")[-1]
    assert total[0] == "**all**"
    assert float(total[3].split("/")[1].strip(" %")) <= 2.0
