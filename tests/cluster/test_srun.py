"""Agents on two nodes of one SLURM job, started by real srun: hosts from the allocation, one link between.

Each node is a network namespace with a host name of its own.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster.one_node import missing_for_slurm
from cluster.submitted import nothing_is_left, processes_of
from cluster.two_nodes import TwoNodes, node_of
from fakes.namespaces import TwoHosts, two_hosts, why_no_namespaces
from fakes.spread_study import AHEAD_S, WORKFLOW

MISSING = missing_for_slurm() or why_no_namespaces()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]

LIMIT_S = 60.0


@dataclass(frozen=True)
class Submitted:
    """A job's folder, by which its processes are known."""

    folder: Path

    def environment(self) -> dict[str, str]:
        locks = {"LLMDVFS_LOCK_FOLDER": str(self.folder / "locks")}
        return os.environ | {"PYTHONPATH": str(WORKFLOW)} | locks


def test_srun_starts_an_agent_on_each_node_and_scancel_ends_both(tmp_path: Path) -> None:
    """The hosts are those of the allocation; what srun started ends with the job, on the other node too."""
    job = Submitted(tmp_path / "job")
    job.folder.mkdir()
    command = f"exec {sys.executable} {Path(__file__).with_name('agents_job.py')} {job.folder}"
    script = ["--nodes=2", "--ntasks=2", f"--output={job.folder}/job.log", "--wrap", command]
    with two_hosts() as hosts, TwoNodes.over(tmp_path / "slurm", hosts) as cluster:
        number = cluster.ask("sbatch", "--parsable", *script, environment=job.environment()).strip()
        deadline = time.monotonic() + LIMIT_S
        while not (job.folder / "told.json").exists():
            assert cluster.jobs("PENDING,RUNNING"), (job.folder / "job.log").read_text()
            assert time.monotonic() < deadline, (job.folder / "job.log").read_text()
            time.sleep(0.2)
        told = json.loads((job.folder / "told.json").read_text())
        assert told["addresses"] == ["n0", "n1"]
        assert told["path"]["rate_bytes_per_s"] > 1e6
        assert abs(told["clock"]["offset_ns"] - AHEAD_S * 10**9) <= told["clock"]["bound_ns"]
        assert nodes_of_agents(job, hosts) == {"n0", "n1"}
        cluster.ask("scancel", number)
        nothing_is_left(cluster, job)
    assert list((job.folder / "there").iterdir()) == []


def nodes_of_agents(job: Submitted, hosts: TwoHosts) -> set[str | None]:
    """Return the nodes on which agents run; the srun that has started one is none."""
    agents = [line for line in processes_of(job) if "'agent'" in line and "/srun'" not in line]
    return {node_of(int(line.split()[0]), hosts) for line in agents}
