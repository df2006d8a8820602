"""The default study over two SLURM nodes, prefill on one and decode on the other: real vLLM, srun, the profile alone.

Each node is a network namespace with a host name of its own, and the second one's clock is ahead. KV goes as files of
the folder that both nodes see.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.one_node import missing_for_slurm
from cluster.submitted import launches, nothing_is_left, said, snakemakes, wait_until
from cluster.two_nodes import TwoNodes
from fakes.namespaces import two_hosts, why_no_namespaces
from fakes.spread_study import AHEAD_S, WORKFLOW

from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.places import RAW, cell_folder
from llmdvfs.records.raw import RawCell, read_raw
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_record

HAS_VLLM = importlib.util.find_spec("vllm") is not None
MISSING = missing_for_slurm() or why_no_namespaces() or (None if HAS_VLLM else "vLLM is not installed in this Python")
LIMIT_S = 900.0
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(3 * LIMIT_S),
]
SINGLE, APART = "single_tiny", "disaggregated_tiny"
ROLES = {SINGLE: {"n0/cpu": {"single"}}, APART: {"n0/cpu": {"prefill"}, "n1/cpu": {"decode"}}}
SRUN = ["srun", "--overlap", "-N1", "-n1", "-w", "{address}"]


@dataclass(frozen=True)
class OverNodes:
    """The study's folder, which both nodes see."""

    folder: Path

    def prepare(self) -> dict[str, str]:
        """Write config.yaml: that of `make run`, over the nodes of the job. Return the environment of Snakemake."""
        study: dict[str, Any] = yaml.safe_load((WORKFLOW.parent / "config" / "config.yaml").read_text())
        study["serving"] |= {
            "connector": "example",
            "hosts": [
                {"name": "n0", "address": "slurm:0", "folder": str(self.there), "roles": ["prefill", "single"]},
                {"name": "n1", "address": "slurm:1", "folder": str(self.there), "roles": ["decode"], "reach": SRUN},
            ],
        }
        (self.folder / "locks").mkdir(parents=True)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(study | {"launches": 1}))
        return os.environ | {"PYTHONPATH": str(WORKFLOW), "LLMDVFS_LOCK_FOLDER": str(self.folder / "locks")}

    @property
    def there(self) -> Path:
        """Where agents put files for a while."""
        return self.folder / "agents"

    def loaded(self, deployment: str) -> bool:
        """Say whether the servers of its launch are ready."""
        log = self.folder / "results" / "logs" / "benchmark" / f"{deployment}.launch-1.log"
        return log.exists() and "launch 1: ready" in log.read_text()

    def cells(self) -> dict[tuple[str, str], Path]:
        """Return (deployment, workload) -> raw folder of every cell that is measured."""
        every = [(deployment, load) for deployment in (SINGLE, APART) for load in ("prefill", "decode", "concurrent")]
        raw = {cell: cell_folder(self.folder / "results", CellId(*cell, "stock", 1)) / RAW for cell in every}
        return {cell: folder for cell, folder in raw.items() if (folder / "run.json").exists()}


def test_a_study_over_two_nodes_is_cancelled_and_finished(tmp_path: Path) -> None:
    """`scancel` under load leaves nothing on either node and costs its launch; the run after measures that one."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no snakemake-executor-plugin-slurm")
    study = OverNodes(tmp_path / "study")
    environment = study.prepare()
    with (
        two_hosts() as hosts,
        TwoNodes.over(tmp_path / "slurm", hosts) as cluster,
        snakemakes(cluster, study, environment, "all") as start,
    ):
        run = start()
        wait_until(lambda: study.loaded(APART), run, study, LIMIT_S)
        [job] = launches(cluster, (1,), APART)
        cluster.ask("scancel", job)
        assert run.wait(LIMIT_S) == 1, said(study)
        nothing_is_left(cluster, study)
        assert list(study.there.iterdir()) == []
        first = {cell: folder.resolve() for cell, folder in study.cells().items()}
        assert {deployment for deployment, _ in first} == {SINGLE}

        assert start().wait(LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    assert list(study.there.iterdir()) == []
    cells = study.cells()
    assert len(cells) == 6
    assert {cell: cells[cell].resolve() for cell in first} == first  # none of them was measured again
    for (deployment, _), raw in cells.items():
        check_cell(read_raw(raw), ROLES[deployment])
    compared = read_record(study.folder / "results" / "comparison" / "comparison.json", ComparisonRecord)
    assert [deployment.id for group in compared.groups for deployment in group.deployments] == [SINGLE, APART] * 3
    assert all(row.status != "no_result" for row in compared.cells)
    assert (study.folder / "results" / "report.html").exists()


def check_cell(cell: RawCell, roles: dict[str, set[str]]) -> None:
    """All was answered; each node with an instance has told what it read, on the first one's clock, and their link."""
    run = cell.run
    assert {request.outcome for request in cell.requests} == {"ok"}
    assert [f"{host.address}/cpu" for host in run.hosts] == list(roles)
    on = {device: {item.role for item in run.server_start.instances if device in item.device_ids} for device in roles}
    assert on == roles
    for host in run.hosts:
        assert host.clock is not None
        off_ns = host.clock.offset_ns - (AHEAD_S * 10**9 if host.name == "n1" else 0)
        print(f"{host.name} off by {off_ns / 1e3:.0f} us, bound {host.clock.bound_ns / 1e3:.0f} us")
        assert abs(off_ns) <= host.clock.bound_ns < 50e6
        read = cell.readings.of(f"{host.name}/cpu")
        during = (read.begin_mono_ns > run.load_begin_mono_ns) & (read.end_mono_ns < run.load_end_mono_ns)
        assert during.sum() > 20
    assert [(path.sender, path.receiver) for path in run.host_paths] == ([("n0", "n1")] if len(roles) > 1 else [])
