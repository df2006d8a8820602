"""The default study with real vLLM on a SLURM of one node, two launches at a time on fake GPUs of their own.

The engines compute on this machine's CPU; the GPUs that SLURM deals are a fake driver's, and know nothing of the load:
power and energy of these cells say nothing. All else is as on a cluster: GRES, leases, nodes, tokens, every figure.
"""

import importlib.util
import sys
import time
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.one_node import OneNode, missing_for_slurm
from cluster.submitted import launches, nothing_is_left, said, start_alone_first, submitted, wait_until
from modelled.server import ROOT
from modelled.study import Modelled

from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_record

HAS_VLLM = importlib.util.find_spec("vllm") is not None
MISSING = missing_for_slurm() or (None if HAS_VLLM else "vLLM is not installed in this Python")
LIMIT_S = 2400.0
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(2 * LIMIT_S + 300),
]
SINGLE, APART = "single_tiny", "disaggregated_tiny"


class OnTheCpu(Modelled):
    """A study whose engines are real, and compute on the CPU whatever GPU they are dealt."""

    def _python(self) -> str:
        script = self.folder / "python"
        variables = "VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS=1 VLLM_CPU_KVCACHE_SPACE=1"
        script.write_text(f'#!/bin/sh\nexport {variables}\nexec {sys.executable} "$@"\n')
        script.chmod(0o755)
        return str(script)


def default_study() -> dict[str, Any]:
    """Return the study of `make run` with what makes it one of a GPU cluster."""
    study: dict[str, Any] = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    del study["serving"]["engine"]["cpu_kv_cache_gib"], study["serving"]["engine"]["omp_num_threads"]  # of device cpu
    study["serving"] |= {"gpus": [0, 1, 2], "connector": "example"}
    return study | {"device": "cuda", "measure": {"side_by_side": True}}


def measured(study: Modelled) -> dict[str, RunRecord]:
    """Return deployment/workload/launch -> the run of every cell that is measured."""
    cells = study.folder / "results" / "cells"
    found = sorted(cells.glob("*/*/stock/launch-*/raw/run.json"))
    return {str(path.relative_to(cells)): read_record(path, RunRecord) for path in found}


def gpus_of(run: RunRecord) -> set[str]:
    return {gpu for instance in run.server_start.instances for gpu in instance.device_ids}


def overlap(one: RunRecord, other: RunRecord) -> bool:
    return one.load_begin_mono_ns < other.load_end_mono_ns and other.load_begin_mono_ns < one.load_end_mono_ns


def served(study: Modelled) -> list[tuple[str, int]]:
    """Return the launches whose servers are ready, and whose load runs or is about to."""
    found = []
    for deployment, launch in product((SINGLE, APART), range(1, 5)):
        log = study.folder / "results" / "logs" / "benchmark" / f"{deployment}.launch-{launch}.log"
        text = log.read_text() if log.exists() else ""
        if f"launch {launch}: ready" in text and f"launch {launch}: servers stopped" not in text:
            found.append((deployment, launch))
    return found


def test_the_default_study_survives_a_killed_slurmd_and_scancel(tmp_path: Path, nvml_library: Path) -> None:
    """slurmd is killed under two launches, and one of two further ones is cancelled: the run after makes that one."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no snakemake-executor-plugin-slurm")
    study = OnTheCpu(tmp_path / "study", default_study(), seed=1, num_gpus=3)
    with (
        OneNode.started(tmp_path / "slurm", num_gpus=3) as cluster,
        submitted(cluster, study, nvml_library, "all") as start,
    ):
        cluster.hold()
        run = start()
        wait_until(lambda: len(cluster.jobs("PENDING")) == 6, run, study)
        start_alone_first(cluster, (SINGLE, APART))
        wait_until(lambda: len(served(study)) == 2, run, study, LIMIT_S)
        cluster.kill_slurmd()
        time.sleep(3)
        cluster.start_slurmd()
        assert run.wait(LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
        first = measured(study)
        assert len(first) == 18, sorted(first)
        compared(study)

        run = start("--config", "launches=4")
        wait_until(lambda: served(study) == [(SINGLE, 4), (APART, 4)], run, study, LIMIT_S)
        [job] = launches(cluster, (4,), SINGLE)
        cluster.ask("scancel", job)
        assert run.wait(LIMIT_S) == 1, said(study)
        nothing_is_left(cluster, study)
        second = measured(study)
        assert {
            name for name in second if "/launch-4/" in name and name.startswith(APART)
        } == second.keys() - first.keys()
        assert len(second) == 21

        assert start("--config", "launches=4").wait(LIMIT_S) == 0, said(study)
        nothing_is_left(cluster, study)
    runs = measured(study)
    assert len(runs) == 24
    assert {name: runs[name] for name in second} == second  # none of them was measured again
    at_once = [(one, other) for one, other in combinations(first.values(), 2) if overlap(one, other)]
    assert at_once
    assert all(gpus_of(one).isdisjoint(gpus_of(other)) for one, other in at_once)
    assert not any(run in pair for name, run in first.items() if "/launch-1/" in name for pair in at_once)
    compared(study)


def compared(study: Modelled) -> None:
    """Check that the study has ended with its comparison and its page."""
    record = read_record(study.folder / "results" / "comparison" / "comparison.json", ComparisonRecord)
    assert [deployment.id for group in record.groups for deployment in group.deployments] == [SINGLE, APART] * 3
    assert (study.folder / "results" / "report.html").exists()
