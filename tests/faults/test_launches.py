"""How often servers are started."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import Machine, Place

from llmdvfs.records.places import RUN
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record

POINTS = {"stock": {}, "capped": {"power_limit_w": {"single": 400}}}
RUN_LIMIT_S = 300


@pytest.fixture
def place(machine: Machine, tmp_path: Path) -> Iterator[Place]:
    """Two cells in each of two launches of two deployments."""
    made = Place(tmp_path / "place", machine)
    made.study |= {"launches": 2, "architectures": ["single", "tensor_parallel-2"], "operating_points": POINTS}
    made.study["measure"] = {"idle_s": 0.05, "calibrate_client": False}
    yield made
    made.close()


def measure(place: Place) -> int:
    """Return how many cells a run of Snakemake has measured."""
    run = place.start("snakemake")
    assert run.wait(RUN_LIMIT_S) == 0, run.output
    return run.output.count(": measured\n")


def starts(place: Place) -> set[tuple[str, int, str]]:
    """Return deployment, launch and start of the servers of every cell."""
    runs = [read_record(folder / RUN, RunRecord) for folder in place.cells()]
    return {(run.deployment.id, run.cell.launch, run.server_start.id) for run in runs}


def test_servers_start_once_a_deployment_and_launch(place: Place) -> None:
    assert measure(place) == 8
    assert len(starts(place)) == 4
    assert num_starts(place) == 4

    place.study["operating_points"] = POINTS | {"lower": {"sm_clock_mhz": {"single": 510}}}
    assert measure(place) == 4
    assert len(starts(place)) == 8  # the further cell of a launch says that it comes from another start
    assert num_starts(place) == 8

    assert measure(place) == 0
    assert "Nothing to be done" in place.run.output
    assert num_starts(place) == 8


def num_starts(place: Place) -> int:
    """Return how often servers were started, whether or not a cell came of it."""
    return len(list((place.results / "logs" / "servers").glob("*/start-*")))
