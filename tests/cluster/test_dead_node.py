"""A node that dies under load and stays dead: what SLURM, Snakemake and the user make of it. MODELLED engines."""

import signal
from pathlib import Path

import pytest
from cluster.one_node import OneNode, missing_for_slurm
from cluster.submitted import WAIT_LIMIT_S, launches, nothing_is_left, processes_of, said, submitted, wait_until
from modelled.side_by_side import CELLS, STUDY
from modelled.study import Modelled

MISSING = missing_for_slurm()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(900),
]
ONE_LAUNCH = STUDY | {"launches": 1}


def is_served(cluster: OneNode, study: Modelled) -> bool:
    return bool(launches(cluster, (1,))) and any("modelled/server.py" in process for process in processes_of(study))


@pytest.mark.parametrize("requeues", [True, False], ids=["waits", "fails"])
def test_a_dead_node_is_told_and_its_launch_measured_later(requeues: bool, tmp_path: Path, nvml_library: Path) -> None:
    """Where SLURM requeues, the launch waits for a node, and Ctrl-C takes it back; else Snakemake says NODE_FAIL."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no snakemake-executor-plugin-slurm")
    study = Modelled(tmp_path / "study", ONE_LAUNCH, seed=1, num_gpus=2)
    with (
        OneNode.started(tmp_path / "slurm", num_gpus=2, requeues=requeues) as cluster,
        submitted(cluster, study, nvml_library) as start,
    ):
        run = start()
        wait_until(lambda: is_served(cluster, study), run, study)
        [job] = launches(cluster, (1,))
        cluster.die()
        if requeues:
            wait_until(lambda: job in cluster.jobs("PENDING"), run, study)
            why = cluster.ask("squeue", "--noheader", f"--job={job}", "--format=%R")
            assert any(word in why for word in ("DOWN", "BeginTime", "Resources", "ReqNodeNotAvail")), why
            run.send_signal(signal.SIGINT)
            assert run.wait(WAIT_LIMIT_S) != 0
        else:
            assert run.wait(WAIT_LIMIT_S) == 1
            assert "failed due to a node failure" in (study.folder / "snakemake-0.log").read_text()
        nothing_is_left(cluster, study)
        assert not (study.folder / CELLS / "launch-1" / "raw").exists()
        cluster.start_slurmd()
        assert start("--rerun-incomplete").wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    assert (study.folder / CELLS / "launch-1" / "raw" / "run.json").exists()
