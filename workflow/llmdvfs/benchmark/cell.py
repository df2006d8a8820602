"""Measures one cell: sampler, idle, load, idle, and everything that is needed to understand them afterwards."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from llmdvfs.benchmark.calibration import calibrate_cell
from llmdvfs.benchmark.gpus import foreign_processes, links_between
from llmdvfs.benchmark.host_cpu import host_cpu, others_between
from llmdvfs.benchmark.network import kv_network
from llmdvfs.benchmark.provenance import hardware, measuring_versions
from llmdvfs.clock import mono_ns, unix_s
from llmdvfs.errors import DataError, ServerDied, TelemetryError
from llmdvfs.host.capabilities import may_set_clocks
from llmdvfs.plan.seeds import derive_seed
from llmdvfs.records import raw
from llmdvfs.records.api_key import key_variable
from llmdvfs.records.job import CellJob, LaunchJob, LaunchRecord
from llmdvfs.records.load import LoadReport, LoadSpec
from llmdvfs.records.point import AppliedPoint
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId
from llmdvfs.records.store import read_lines, read_record, write_lines, write_record
from llmdvfs.records.telemetry import SamplerReport
from llmdvfs.records.telemetry_file import read_telemetry
from llmdvfs.serving.deployment import Deployment
from llmdvfs.serving.lifetime import how_it_ended
from llmdvfs.telemetry.clocks import HeldPoint, locked_clocks
from llmdvfs.telemetry.sampler import SamplerHandle, start_sampler

WATCH_INTERVAL_S = 0.05  # how soon a death under load is noticed; a look costs microseconds


@dataclass(frozen=True, slots=True)
class CellTask:
    """One cell to measure, in its launch."""

    launch: LaunchRecord
    job: LaunchJob
    cell: CellJob
    order_in_launch: int

    @property
    def id(self) -> CellId:
        """Return the cell's name."""
        return CellId(self.launch.deployment.id, self.cell.workload, self.cell.point, self.job.launch)

    @property
    def seeds(self) -> dict[str, int]:
        """Return the seeds: without the deployment, so that every deployment is asked the same."""
        return {
            purpose: derive_seed(self.job.seed, purpose, self.job.launch, self.cell.workload)
            for purpose in ("prompts", "arrivals")
        }


def measure_cell(task: CellTask, deployment: Deployment, folder: Path, results: Path) -> RunRecord:
    """Measure into a folder, run.json last; raises what ended it early, with everything recorded so far kept.

    results: where what serves several cells is kept. GpusNotRestored, and no run.json, where the GPUs could not be
    brought back: a driver that no longer takes orders may not have kept the earlier ones either.
    """
    point = task.job.points[task.cell.point]
    gpus_of_role, gpu_indices = deployment.server_start.gpus_of_role(), deployment.gpu_indices
    with locked_clocks(point, gpus_of_role, gpu_indices=gpu_indices) as held:
        run = _record_cell(task, deployment, folder, held)
    if task.job.settings.calibrate_client and (warning := calibrate_cell(folder, results)):
        run = replace(run, warnings=(*run.warnings, warning))
    write_record(folder / raw.RUN, run)
    return run


def _record_cell(task: CellTask, deployment: Deployment, folder: Path, held: HeldPoint) -> RunRecord:
    """Record everything between one idle window and the next, and return what run.json says of it."""
    settings = task.job.settings
    tokenizer_folder = _tokenizer_folder(task.launch)
    _check_servers(deployment, "between two cells")
    deployment.reset()
    # On GPUs that somebody else's endpoint is said to use, its own processes are the ones that should be there.
    watched = deployment.gpu_indices if deployment.instances else ()
    foreign = foreign_processes(watched)
    started_unix_s, started = unix_s(), mono_ns()
    sampler = start_sampler(
        folder / raw.TELEMETRY,
        interval_s=settings.interval_s,
        counter_interval_s=settings.counter_interval_s,
        gpu_indices=None if deployment.gpu_indices else (),  # all of them: what others draw is reported apart
        needed_gpus=deployment.gpu_indices,
    )
    with sampler:
        sampler.wait_ready()
        cpu_at_start = host_cpu()
        idle_before = _idle(settings.idle_s)
        write_record(folder / raw.METRICS_BEFORE, deployment.scrape_metrics())
        cpu_before_load = host_cpu()
        report = _run_load(task, deployment, sampler, folder, tokenizer_folder, held)
        cpu_after_load = host_cpu()
        write_record(folder / raw.METRICS_AFTER, deployment.scrape_metrics())
        idle_after = _idle(settings.idle_s)
        _check(deployment, sampler, "after the load")
        held.check()
        sampler_report = sampler.stop()
        if sampler_report.error is not None:
            raise TelemetryError(f"the telemetry sampler ended during the cell: {sampler_report.error}")
    if deployment.proxy_log is not None:
        _write_proxy_stamps(deployment, folder)
    header, _ = read_telemetry(folder / raw.TELEMETRY)
    device_ids = {id_ for instance in deployment.server_start.instances for id_ in instance.device_ids}
    return RunRecord(
        key=task.cell.key,
        cell=task.id,
        deployment=task.launch.deployment,
        workload=task.job.workloads[task.cell.workload],
        point=task.job.points[task.cell.point],
        server_start=deployment.server_start,
        order_in_launch=task.order_in_launch,
        seeds=task.seeds,
        started_unix_s=started_unix_s,
        started_mono_ns=started,
        load_begin_mono_ns=report.load_begin_mono_ns,
        load_end_mono_ns=report.load_end_mono_ns,
        idle_before=idle_before,
        idle_after=idle_after,
        energy_source=header.deployment_source(device_ids),
        versions=measuring_versions(),
        hardware=hardware()
        | {
            "gpus": [device.name for device in header.devices if device.kind == "gpu"],
            "may_set_clocks": may_set_clocks(),
        },
        kv_bytes_per_token=task.launch.kv_bytes_per_token,
        foreign_processes=_joined(foreign, foreign_processes(watched)),
        warnings=_clock_warnings(held.applied) + _lost_warnings(sampler_report),
        gpu_links=links_between(deployment.gpu_indices),
        kv_network=kv_network(task.launch.deployment.connector, deployment.server_start),
        applied=held.applied,
        others_cpu_idle=others_between(cpu_at_start, cpu_before_load),
        others_cpu_load=others_between(cpu_before_load, cpu_after_load),
    )


def _joined(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if before is None or after is None else tuple(dict.fromkeys((*before, *after)))


def _clock_warnings(applied: AppliedPoint) -> tuple[str, ...]:
    if applied.is_as_asked:
        return ()
    return (f"operating point {applied.state}: {applied.reason}; the cell was measured at stock clocks",)


def _lost_warnings(report: SamplerReport) -> tuple[str, ...]:
    return tuple(
        f"{device_id} was lost during the cell ({why}); it serves nobody here, so the measurement went on without it"
        for device_id, why in report.lost_devices.items()
    )


def _idle(length_s: float) -> tuple[int, int] | None:
    """Let the loaded servers be idle; return begin and end of that."""
    if not length_s:
        return None
    begin = mono_ns()
    time.sleep(length_s)
    return begin, mono_ns()


def _tokenizer_folder(launch: LaunchRecord) -> str | None:
    """Return the model's folder, which holds its tokenizer; None: a hub's name says where the model is."""
    if launch.deployment.model.source == "hub":
        return None
    if not Path(launch.model_path).is_dir():
        raise DataError(f"the model's folder {launch.model_path} is gone; put it back, and run again")
    return launch.model_path


def _run_load(
    task: CellTask,
    deployment: Deployment,
    sampler: SamplerHandle,
    folder: Path,
    tokenizer_folder: str | None,
    held: HeldPoint,
) -> LoadReport:
    """Run the load generator in a process of its own and watch everything else meanwhile."""
    spec = LoadSpec(
        workload=task.job.workloads[task.cell.workload],
        base_url=deployment.base_url,
        model=task.launch.served_model_name,
        tokenizer_folder=tokenizer_folder,
        seed_prompts=task.seeds["prompts"],
        seed_arrivals=task.seeds["arrivals"],
        folder=str(folder),
        api_key_env=key_variable(task.launch.deployment.device),
    )
    write_record(folder / "load_spec.json", spec)
    log = folder / "load.log"
    with log.open("wb") as output:
        client = subprocess.Popen(
            [sys.executable, "-m", "llmdvfs", "load", str(folder / "load_spec.json"), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while (code := client.poll()) is None:
                _check(deployment, sampler, "under load")
                held.check()
                time.sleep(WATCH_INTERVAL_S)
        finally:
            client.kill()
            client.wait()
    _check(deployment, sampler, "under load")  # a client fails when its server has died: that is what to tell
    if code != 0:
        cause = log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
        raise DataError(f"the load generator {how_it_ended(code)}: {cause or 'without a message'}")
    report = read_record(folder / raw.LOAD_REPORT, LoadReport)
    if report.stopped_early is not None:
        raise ServerDied(f"the load was ended early: {report.stopped_early}")
    if not report.outcomes.get("ok"):
        raise ServerDied(f"none of {report.num_requests} requests succeeded: {_first_failure(folder)}")
    return report


def _first_failure(folder: Path) -> str:
    requests = read_lines(folder / raw.REQUESTS, RequestRecord)
    return next((f"{request.outcome}: {request.error}" for request in requests), "the workload asks for none")


def _check(deployment: Deployment, sampler: SamplerHandle, when: str) -> None:
    """Raise what has ended and should not have; it costs microseconds."""
    _check_servers(deployment, when)
    cause = sampler.poll()
    if cause is not None:
        raise TelemetryError(f"the telemetry sampler died {when}: {cause}")


def _check_servers(deployment: Deployment, when: str) -> None:
    dead = deployment.first_dead()
    if dead is not None:
        raise ServerDied(f"{dead[0]} died {when}: {dead[1]}")


def _write_proxy_stamps(deployment: Deployment, folder: Path) -> None:
    """Take this cell's requests from the proxy's log, which goes on over all cells of the launch."""
    sent = {request.request_id for request in read_lines(folder / raw.REQUESTS, RequestRecord) if request.sent_mono_ns}
    stamps = deployment.proxy_records(sent)
    if len(stamps) <= len(sent) // 2:
        raise DataError(
            f"{deployment.proxy_log}: stamps of {len(stamps)} of {len(sent)} requests; expected one line for each: "
            "phases and KV transfer could not be told; see proxy.log beside it"
        )
    write_lines(folder / raw.PROXY, stamps)
