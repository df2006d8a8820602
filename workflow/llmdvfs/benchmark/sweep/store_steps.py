"""Brings the steps of a recorded sweep into the store, each as a cell."""

import logging
import shutil
from pathlib import Path

from llmdvfs.benchmark.client import LOAD_SPEC
from llmdvfs.benchmark.run_record import lost_warnings, run_record, write_sealed
from llmdvfs.benchmark.store import enter, put_aside_to_wait, set_aside
from llmdvfs.benchmark.sweep.cut import Slice, cut
from llmdvfs.benchmark.sweep.sweep import Done, Sweep
from llmdvfs.benchmark.task import CellTask
from llmdvfs.benchmark.watching import proxy_stamps
from llmdvfs.clock import mono_ns
from llmdvfs.errors import LlmDvfsError
from llmdvfs.records import raw
from llmdvfs.records.load import LoadReport
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.store import read_lines, read_record, write_lines, write_record
from llmdvfs.records.telemetry import SamplerReport
from llmdvfs.records.telemetry_file import read_header
from llmdvfs.records.under_load import UnderLoad

LOG = logging.getLogger(__name__)


def store_steps(sweep: Sweep, results: Path) -> None:
    """Cut the recording: finished steps enter the store, or wait for their calibration (benchmark/waiting.py).

    Failed ones are set aside, and the recording with them.
    """
    name = sweep.folder.name.rpartition(".")[0]
    failed = [task for task, _ in sweep.failures if task.cell.key in sweep.entered_mono_ns]
    if not (sweep.folder / raw.TELEMETRY_REPORT).exists() or not (sweep.done or failed):
        sweep.done.clear()  # a sampler that was killed leaves no report: its steps are measured again
        set_aside(sweep.folder, results / "failed", name)
        return
    now = mono_ns()
    tasks = {task.cell.key: task for task in sweep.tasks}
    slices = [_slice(sweep, tasks[done.key], done.left_mono_ns, done.step.window_mono_ns) for done in sweep.done]
    for task in failed:
        entered = sweep.entered_mono_ns[task.cell.key]
        slices.append(_slice(sweep, task, now, (entered, now)))
    try:
        cut(sweep.folder, slices, sweep.idle_mono_ns, sweep.first.workload.num_warmup_requests)
    except LlmDvfsError as error:
        sweep.failures += [(tasks[done.key], error) for done in sweep.done]
        sweep.done.clear()
        error.add_note(f"what was recorded is in {set_aside(sweep.folder, results / 'failed', name)}")
        return
    for done in list(sweep.done):
        task, folder = tasks[done.key], sweep.step_folder(done.key)
        try:
            run = _run_of(sweep, task, done, folder)
        except LlmDvfsError as error:
            sweep.done.remove(done)
            sweep.failures.append((task, error))
            failed.append(task)
            continue
        write_sealed(folder, run)
        if task.job.settings.calibrate_client:
            put_aside_to_wait(results, folder, done.key)
        else:
            enter(results, folder, done.key, task.cell.identity)
        LOG.info("%s: measured", task.id.folder())
    for task in failed:
        place = set_aside(sweep.step_folder(task.cell.key), results / "failed", task.cell.key)
        for failed_task, cause in sweep.failures:
            if failed_task is task:
                cause.add_note(f"what was recorded is in {place}")
    if failed or sweep.untried:
        set_aside(sweep.folder, results / "failed", name)
    else:
        shutil.rmtree(sweep.folder)


def _slice(sweep: Sweep, task: CellTask, end_mono_ns: int, window: tuple[int, int]) -> Slice:
    folder = sweep.step_folder(task.cell.key)
    write_record(folder / LOAD_SPEC, task.load_spec(sweep.deployment, folder))
    return Slice(folder, (sweep.entered_mono_ns[task.cell.key], end_mono_ns), window)


def _run_of(sweep: Sweep, task: CellTask, done: Done, folder: Path) -> RunRecord:
    """Write the proxy's stamps of a step, and return its run.json."""
    if sweep.deployment.proxy_log is not None:
        requests = read_lines(folder / raw.REQUESTS, RequestRecord)
        sent = {request.request_id for request in requests if request.sent_mono_ns}
        write_lines(folder / raw.PROXY, proxy_stamps(sweep.deployment, sent))
    header = read_header(folder / raw.TELEMETRY)
    report = read_record(folder / raw.LOAD_REPORT, LoadReport)
    under_load = UnderLoad(
        sweep=sweep.id,
        step=done.position,
        entered_mono_ns=done.step.entered_mono_ns,
        window_mono_ns=done.step.window_mono_ns,
        is_settled=done.step.settled.is_level,
        settled_by=done.step.settled.seen,
        left_mono_ns=done.left_mono_ns,
        has_held_all=done.step.has_held_all,
        idle_mono_ns=tuple(sweep.idle_mono_ns),
        idle_at_point_w=sweep.idle_at_points_w.get(task.point.id, {}),
        probe=sweep.probe,
        cap_bound=sweep.cap_bound(task),
        measured_fraction=sweep.measured_fraction,
    )
    return run_record(
        task,
        sweep.deployment,
        header,
        done.applied,
        started=(done.started_unix_s, done.step.entered_mono_ns),
        load_mono_ns=(report.load_begin_mono_ns, report.load_end_mono_ns),
        foreign_processes=done.foreign_processes,
        warnings=(
            *lost_warnings(read_record(folder / raw.TELEMETRY_REPORT, SamplerReport)),
            *_warnings(under_load),
        ),
        under_load=under_load,
    )


def _warnings(step: UnderLoad) -> tuple[str, ...]:
    warnings = [f"cap_bound: {why}" for why in step.cap_bound]
    if not step.is_settled:
        warnings.append(
            f"not settled after {step.settle_s:.0f} s: {step.settled_by}; its window was measured all the same"
        )
    if not step.has_held_all:
        warnings.append("the point was left before all requests of the window had ended: latencies lack the slowest")
    return tuple(warnings)
