"""`figures cell --only-doubtful`: which cells have figures afterwards."""

import json
import shutil
from pathlib import Path

import pytest

from llmdvfs.__main__ import main

CELL = Path(__file__).parents[2] / "golden" / "disaggregated_small"


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """A small measured cell with an older figure."""
    folder = tmp_path / "cell"
    shutil.copytree(CELL, folder)
    (folder / "latency.png").write_bytes(b"older")
    (folder / "latency.pdf").write_bytes(b"older")
    return folder


def judged(cell: Path, status: str) -> None:
    """Let all gates of the cell have one status."""
    result = json.loads((cell / "result.json").read_text())
    for gate in result["gates"]:
        gate["status"] = status
    (cell / "result.json").write_text(json.dumps(result))


def test_a_doubtful_cell_is_drawn(cell: Path) -> None:
    judged(cell, "failed")
    assert main(["figures", "cell", "--only-doubtful", "--figures", "latency", "--cell", str(cell)]) == 0
    assert (cell / "latency.png").read_bytes().startswith(b"\x89PNG")


def test_a_sound_cell_loses_the_figures_that_it_had(cell: Path) -> None:
    judged(cell, "passed")
    assert main(["figures", "cell", "--only-doubtful", "--figures", "latency", "--cell", str(cell)]) == 0
    assert not list(cell.glob("latency.*"))
