"""Estimates how long the missing cells of a study will take."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from llmdvfs.clock import NS_PER_S, unix_s
from llmdvfs.errors import MISREAD
from llmdvfs.plan.cells import PlannedLaunch
from llmdvfs.plan.study import Study
from llmdvfs.records.job import LaunchJob
from llmdvfs.records.places import RAW, RUN
from llmdvfs.records.progress import ExpectedCell, RunProgress, length_in_words
from llmdvfs.records.spec import WorkloadSpec

S_PER_H = 3600.0
MAX_READ = 3  # earlier launches of a cell that are asked how long they took
UNKNOWN_S = 60.0  # assumed for a load whose end is a number of requests or a trace's
OVERHEAD_S = 3.0  # per cell: starting the sampler, scraping counters, writing


def expected_progress(study: Study, pending: Iterable[PlannedLaunch]) -> RunProgress:
    """Return the missing cells with the time that each should take; server starts are not included."""
    taken_s: dict[tuple[str, str], float | None] = {}
    cells = []
    for launch in pending:
        num_gpus = study.deployments[launch.deployment].num_gpus
        for cell in launch.job.cells:
            own = (launch.deployment, cell.workload)
            if own not in taken_s:
                taken_s[own] = _measured_s(study.results, *own)
            known_s = taken_s[own]
            expected_s = planned_s(launch.job, launch.job.workloads[cell.workload]) if known_s is None else known_s
            cells.append(ExpectedCell(cell.key, expected_s, num_gpus))
    return RunProgress(unix_s(), tuple(cells))


def in_words(run: RunProgress) -> str:
    """Return the estimate as a sentence: `18 cells to measure: about 8 min and the server starts`.

    With GPU hours where there are GPUs.
    """
    length_s = sum(cell.expected_s for cell in run.cells)
    gpu_h = sum(cell.expected_s * cell.num_gpus for cell in run.cells) / S_PER_H
    gpus = f", {gpu_h:.2g} GPU hours," if gpu_h else ""
    cells = "1 cell" if len(run.cells) == 1 else f"{len(run.cells)} cells"
    return f"{cells} to measure: about {length_in_words(length_s)}{gpus} and the server starts"


def planned_s(job: LaunchJob, workload: WorkloadSpec) -> float:
    """Return how long a cell takes by its workload: the load and the idle windows before and after it."""
    return (workload.duration_s or UNKNOWN_S) + 2 * job.settings.idle_s + OVERHEAD_S


def _measured_s(results: Path, deployment: str, workload: str) -> float | None:
    """Return the median time that earlier launches of the workload took; None: there are none."""
    found = sorted((results / "cells" / deployment / workload).glob(f"*/launch-*/{RAW}/{RUN}"))[-MAX_READ:]
    times_s = [took for path in found if (took := _took_s(path)) is not None]
    return median(times_s) if times_s else None


def _took_s(run: Path) -> float | None:
    try:
        told = json.loads(run.read_bytes())
        idle_after = told.get("idle_after")
        end_mono_ns = idle_after[1] if idle_after else told["load_end_mono_ns"]
        return float(end_mono_ns - told["started_mono_ns"]) / NS_PER_S
    except (OSError, *MISREAD):
        return None
