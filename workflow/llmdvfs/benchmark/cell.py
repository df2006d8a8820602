"""Measures one cell: sampler, idle, load, idle, and everything that is needed to understand them afterwards."""

import time
from pathlib import Path

from llmdvfs.benchmark.client import LoadClient, load_client
from llmdvfs.benchmark.host_cpu import HostCpu, host_cpu, others_between
from llmdvfs.benchmark.run_record import joined, lost_warnings, run_record, write_sealed
from llmdvfs.benchmark.samplers import Samplers
from llmdvfs.benchmark.shared_idle import SharedIdle, take_readings
from llmdvfs.benchmark.soak import soak
from llmdvfs.benchmark.task import CellTask
from llmdvfs.benchmark.watching import (
    WATCH_INTERVAL_S,
    check,
    check_servers,
    foreign_on_all,
    idle,
    proxy_stamps,
    remote_hosts,
    start_watching,
)
from llmdvfs.clock import mono_ns, unix_s
from llmdvfs.errors import ServerDied, TelemetryError
from llmdvfs.hosts.all_hosts import paths_between
from llmdvfs.records import raw
from llmdvfs.records.host_files import header_of_all
from llmdvfs.records.load import LoadReport
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.run import OthersCpu, RunRecord
from llmdvfs.records.store import read_lines, read_record, write_lines, write_record
from llmdvfs.records.telemetry_file import read_header
from llmdvfs.serving.deployment import Deployment
from llmdvfs.telemetry.clocks import HeldPoint, locked_clocks


def measure_cell(task: CellTask, deployment: Deployment, folder: Path, shared: SharedIdle | None = None) -> RunRecord:
    """Measure one cell into a folder, run.json last, and return what run.json says.

    Raises what ended it early; everything that was recorded so far is kept. GpusNotRestored, and no run.json, where
    the GPUs could not be brought back: a driver that no longer takes orders may not have kept the earlier ones either.
    shared: the idle window before the load, where the cell before it has measured that; None: it is measured.
    """
    gpus_of_role, gpu_indices = deployment.server_start.gpus_of_role(), deployment.gpu_indices
    with locked_clocks(task.point, gpus_of_role, gpu_indices=gpu_indices) as held:
        run = _record_cell(task, deployment, folder, held, shared)
    return write_sealed(folder, run)


def _record_cell(
    task: CellTask, deployment: Deployment, folder: Path, held: HeldPoint, shared: SharedIdle | None
) -> RunRecord:
    """Record everything between one idle window and the next, and return what run.json says of it."""
    settings = task.job.settings
    load = task.load_spec(deployment, folder)
    check_servers(deployment, "between two cells")
    soaked = soak(task, deployment, folder)
    deployment.reset()
    foreign = foreign_on_all(deployment)
    paths = paths_between(remote_hosts(deployment), task.launch.deployment)
    started = (unix_s(), mono_ns()) if shared is None else (shared.started_unix_s, shared.started_mono_ns)
    with (
        start_watching(deployment, settings, folder / raw.TELEMETRY, is_beside=task.job.side_by_side) as sampler,
        load_client(load, held=True) as client,  # starts beside the sampler, and is as idle as it in the idle window
    ):
        sampler.wait_ready()
        client.wait_ready()
        cpu_at_start = host_cpu()
        idle_before = idle(settings.idle_s) if shared is None else shared.window
        write_record(folder / raw.METRICS_BEFORE, deployment.scrape_metrics())
        cpu_before_load = host_cpu()
        report = _run_load(client, deployment, sampler, folder, held)
        cpu_after_load = host_cpu()
        write_record(folder / raw.METRICS_AFTER, deployment.scrape_metrics())
        idle_after = idle(settings.idle_s)
        check(deployment, sampler, "after the load")
        held.check()
        sampler_report = sampler.stop()
        if sampler_report.error is not None:
            raise TelemetryError(f"the telemetry sampler ended during the cell: {sampler_report.error}")
    if shared is not None:
        take_readings(shared, folder / raw.TELEMETRY)
    if deployment.proxy_log is not None:
        sent = {
            request.request_id for request in read_lines(folder / raw.REQUESTS, RequestRecord) if request.sent_mono_ns
        }
        write_lines(folder / raw.PROXY, proxy_stamps(deployment, sent))
    hosts = tuple(host.record(started[1]) for host in remote_hosts(deployment))
    header = header_of_all(folder, read_header(folder / raw.TELEMETRY), hosts)
    return run_record(
        task,
        deployment,
        header,
        held.applied,
        started=started,
        load_mono_ns=(report.load_begin_mono_ns, report.load_end_mono_ns),
        idle=(idle_before, idle_after),
        idle_before_of=None if shared is None else shared.key,
        foreign_processes=joined(foreign, foreign_on_all(deployment)),
        warnings=lost_warnings(sampler_report),
        soak=soaked,
        others_cpu=_others_cpu(deployment, None if shared else cpu_at_start, cpu_before_load, cpu_after_load),
        hosts=hosts,
        host_paths=paths,
    )


def _others_cpu(
    deployment: Deployment, start: HostCpu | None, load_begin: HostCpu, load_end: HostCpu
) -> tuple[OthersCpu | None, OthersCpu | None]:
    """Return what others took while idle and under load; None beside an endpoint of somebody else on this host.

    start: None where the idle window was measured with the cell before.
    """
    if not deployment.instances:
        return None, None
    return None if start is None else others_between(start, load_begin), others_between(load_begin, load_end)


def _run_load(
    client: LoadClient, deployment: Deployment, sampler: Samplers, folder: Path, held: HeldPoint
) -> LoadReport:
    """Let the load generator, a process of its own, begin, and watch everything else until it ends."""
    client.begin()
    while not client.has_ended():
        check(deployment, sampler, "under load")
        held.check()
        time.sleep(WATCH_INTERVAL_S)
    check(deployment, sampler, "under load")  # a client fails when its server has died: that is what to tell
    client.check_ended_well()
    report = read_record(folder / raw.LOAD_REPORT, LoadReport)
    if report.stopped_early is not None:
        raise ServerDied(f"the load was ended early: {report.stopped_early}")
    if not report.outcomes.get("ok"):
        raise ServerDied(f"none of {report.num_requests} requests succeeded: {_first_failure(folder)}")
    return report


def _first_failure(folder: Path) -> str:
    requests = read_lines(folder / raw.REQUESTS, RequestRecord)
    return next((f"{request.outcome}: {request.error}" for request in requests), "the workload asks for none")
