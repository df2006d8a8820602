"""A whole study on a SLURM of one node with two fake GPUs, with the profile that users take. MODELLED engines."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.one_node import OneNode, missing_for_slurm
from cluster.submitted import (
    WAIT_LIMIT_S,
    launches,
    nothing_is_left,
    processes_of,
    said,
    start_alone_first,
    submitted,
    wait_until,
)
from modelled.side_by_side import CELLS, STUDY, runs_of_two_at_once
from modelled.study import Modelled

MISSING = missing_for_slurm()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(900),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[OneNode]:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no snakemake-executor-plugin-slurm")
    with OneNode.started(tmp_path / "slurm", num_gpus=2) as running:
        yield running


def test_two_cells_at_a_time_on_gpus_of_their_own(tmp_path: Path, nvml_library: Path, cluster: OneNode) -> None:
    """Launch 1 has the node to itself. 2 and 3 measure at once, on the GPU that SLURM dealt to each."""
    study = Modelled(tmp_path / "study", STUDY, seed=1, num_gpus=2)
    with submitted(cluster, study, nvml_library) as start:
        cluster.hold()
        run = start()
        wait_until(lambda: len(cluster.jobs("PENDING")) == 3, run, study)
        start_alone_first(cluster)
        assert run.wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    runs_of_two_at_once(study.folder)


def test_a_cancelled_job_costs_its_launch_alone(tmp_path: Path, nvml_library: Path, cluster: OneNode) -> None:
    """`scancel` of one of two launches under load: its servers end, the other is measured, the next run makes it."""
    study = Modelled(tmp_path / "study", STUDY | {"launches": 2}, seed=1, num_gpus=2)
    with submitted(cluster, study, nvml_library) as start:
        run = start()
        raw = study.folder / CELLS
        wait_until(lambda: bool(launches(cluster, (2,))) and _has_servers(study), run, study)
        (job,) = launches(cluster, (2,))
        cluster.ask("scancel", job)
        assert run.wait(WAIT_LIMIT_S) == 1
        nothing_is_left(cluster, study)
        assert (raw / "launch-1" / "raw" / "run.json").exists()
        assert not (raw / "launch-2" / "raw").exists()
        first = (raw / "launch-1" / "raw" / "run.json").stat().st_mtime_ns
        assert start().wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    assert (raw / "launch-2" / "raw" / "run.json").exists()
    assert (raw / "launch-1" / "raw" / "run.json").stat().st_mtime_ns == first


def test_a_killed_slurmd_costs_nothing(tmp_path: Path, nvml_library: Path, cluster: OneNode) -> None:
    """The node's daemon dies under load and comes back: jobs live on, their end is noticed."""
    study = Modelled(tmp_path / "study", STUDY | {"launches": 1}, seed=1, num_gpus=2)
    with submitted(cluster, study, nvml_library) as start:
        run = start()
        wait_until(lambda: bool(launches(cluster, (1,))) and _has_servers(study), run, study)
        cluster.kill_slurmd()
        time.sleep(3)
        cluster.start_slurmd()
        assert run.wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    assert (study.folder / CELLS / "launch-1" / "raw" / "run.json").exists()


def _has_servers(study: Modelled) -> bool:
    return any("modelled/server.py" in process for process in processes_of(study))
