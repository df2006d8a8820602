"""A study over two nodes of one SLURM job, whose agents real srun starts: hosts from the allocation, one link between.

Engines are scripted. Each node is a network namespace with a host name of its own.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.one_node import missing_for_slurm
from cluster.submitted import WAIT_LIMIT_S, nothing_is_left, processes_of, said, snakemakes, wait_until
from cluster.two_nodes import TwoNodes, node_of
from fakes.namespaces import TwoHosts, two_hosts, why_no_namespaces
from fakes.spread_study import WORKFLOW
from fakes.vllm_server import python_with_fake_vllm

from llmdvfs.records.places import RAW, cell_folder
from llmdvfs.records.raw import read_raw
from llmdvfs.records.spec import CellId

MISSING = missing_for_slurm() or why_no_namespaces()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(900),
]

SRUN = ["srun", "--overlap", "-N1", "-n1", "-w", "{address}"]


@dataclass(frozen=True)
class Spread:
    """A study of one cell, prefill on the job's first node and decode on its second."""

    folder: Path
    duration_s: float

    def write(self) -> dict[str, str]:
        """Write config.yaml and return the environment in which Snakemake is to run."""
        (self.folder / "locks").mkdir(parents=True)
        shared = str(self.folder / "shared")
        config: dict[str, Any] = {
            "architectures": ["disaggregated"],
            "launches": 1,
            "workloads": {
                "w": {
                    "prompts": {"source": "random", "prompt_tokens": 64, "output_tokens": 16},
                    "arrival": {"kind": "closed", "concurrency": 2},
                    "num_warmup_requests": 1,
                    "duration_s": self.duration_s,
                }
            },
            "serving": {
                "python": python_with_fake_vllm(self.folder),
                "connector": "example",
                "memory_check": False,
                "hosts": [
                    {"name": "first", "address": "slurm:0", "folder": shared, "roles": ["prefill"]},
                    {"name": "second", "address": "slurm:1", "folder": shared, "roles": ["decode"], "reach": SRUN},
                ],
            },
            "measure": {"idle_s": 0.5, "calibrate_client": False, "retries": 0},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        return os.environ | {
            "PYTHONPATH": str(WORKFLOW),
            "LLMDVFS_LOCK_FOLDER": str(self.folder / "locks"),
            "FAKE_VLLM": str(self.folder),
        }

    @property
    def cell(self) -> Path:
        return cell_folder(self.folder / "results", CellId("disaggregated_tiny", "w", "stock", 1))


@pytest.fixture
def hosts() -> Iterator[TwoHosts]:
    with two_hosts() as both:
        yield both


@pytest.fixture
def cluster(tmp_path: Path, hosts: TwoHosts) -> Iterator[TwoNodes]:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no snakemake-executor-plugin-slurm")
    with TwoNodes.over(tmp_path / "slurm", hosts) as running:
        yield running


def test_srun_starts_an_agent_on_each_node_and_scancel_ends_both(
    tmp_path: Path, cluster: TwoNodes, hosts: TwoHosts
) -> None:
    """The hosts are those of the allocation; what srun started ends with the job, on the other node too."""
    study = Spread(tmp_path / "study", duration_s=0)
    environment = study.write()
    job = f"{sys.executable} {Path(__file__).with_name('agents_job.py')} {study.folder}"
    script = ["--nodes=2", "--ntasks=2", f"--output={study.folder}/job.log", "--wrap", f"exec {job}"]
    number = cluster.ask("sbatch", "--parsable", *script, environment=environment).strip()
    told_in = study.folder / "told.json"
    deadline = time.monotonic() + 60
    while not told_in.exists():
        assert cluster.jobs("PENDING,RUNNING"), (study.folder / "job.log").read_text()
        assert time.monotonic() < deadline, (study.folder / "job.log").read_text()
        time.sleep(0.2)
    told = json.loads(told_in.read_text())
    assert told["addresses"] == ["n0", "n1"]
    assert told["path"]["rate_bytes_per_s"] > 1e6
    assert abs(told["clock"]["offset_ns"]) <= told["clock"]["bound_ns"]
    assert nodes_of_agents(study, hosts) == {"n0", "n1"}
    cluster.ask("scancel", number)
    nothing_is_left(cluster, study)
    assert list((study.folder / "there").iterdir()) == []


def test_a_job_of_two_nodes_has_an_agent_on_each(tmp_path: Path, cluster: TwoNodes) -> None:
    study = Spread(tmp_path / "study", duration_s=5)
    with snakemakes(cluster, study, study.write(), "analysed") as start:
        assert start().wait(WAIT_LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    cell = read_raw(study.cell / RAW)
    assert {request.outcome for request in cell.requests} == {"ok"}
    assert [host.address for host in cell.run.hosts] == ["n0", "n1"]
    devices = {item.name: item.device_ids for item in cell.run.server_start.instances}
    assert devices == {"prefill-0": ("first/cpu",), "decode-0": ("second/cpu",)}
    assert len(cell.readings.of("second/cpu")) > 20
    (path,) = cell.run.host_paths
    assert (path.sender, path.receiver) == ("first", "second")
    assert list((study.folder / "shared").iterdir()) == []


def test_scancel_under_load_leaves_nothing_on_either_node(tmp_path: Path, cluster: TwoNodes, hosts: TwoHosts) -> None:
    study = Spread(tmp_path / "study", duration_s=300)
    with snakemakes(cluster, study, study.write(), "analysed") as start:
        run = start()
        wait_until((study.folder / "loaded").exists, run, study)
        assert nodes_of_agents(study, hosts) == {"n0", "n1"}
        (job,) = (number for number, rule in cluster.jobs("RUNNING").items() if "benchmark_" in rule)
        begin_s = time.monotonic()
        cluster.ask("scancel", job)
        assert run.wait(WAIT_LIMIT_S) == 1
        nothing_is_left(cluster, study)
        print(f"nothing was left {time.monotonic() - begin_s:.1f} s after scancel")
    assert not (study.cell / RAW).exists()
    assert list((study.folder / "shared").iterdir()) == []


def nodes_of_agents(study: Spread, hosts: TwoHosts) -> set[str | None]:
    """Return the nodes on which agents run; the srun that has started one is none."""
    agents = [line for line in processes_of(study) if "'agent'" in line and "/srun'" not in line]
    return {node_of(int(line.split()[0]), hosts) for line in agents}
