"""Makes run.json of what is known at the end of a measurement."""

from dataclasses import replace
from pathlib import Path

from llmdvfs.benchmark.network import kv_network, measured_network
from llmdvfs.benchmark.provenance import measuring_versions
from llmdvfs.benchmark.task import CellTask
from llmdvfs.host.capabilities import may_set_clocks
from llmdvfs.host.hardware import hardware
from llmdvfs.hosts.gpus import links_between
from llmdvfs.records import raw
from llmdvfs.records.hosts import HostPath, HostRecord
from llmdvfs.records.point import AppliedPoint
from llmdvfs.records.run import OthersCpu, RunRecord, SoakRecord
from llmdvfs.records.seal import checksums
from llmdvfs.records.store import write_record
from llmdvfs.records.telemetry import SamplerReport, TelemetryHeader
from llmdvfs.records.under_load import UnderLoad
from llmdvfs.serving.deployment import Deployment
from llmdvfs.serving.kv_size import settled_kv_bytes


def run_record(
    task: CellTask,
    deployment: Deployment,
    header: TelemetryHeader,
    applied: AppliedPoint,
    *,
    started: tuple[float, int],
    load_mono_ns: tuple[int, int],
    idle: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None),
    idle_before_of: str | None = None,
    foreign_processes: tuple[str, ...] | None,
    warnings: tuple[str, ...],
    under_load: UnderLoad | None = None,
    others_cpu: tuple[OthersCpu | None, OthersCpu | None] = (None, None),
    soak: SoakRecord | None = None,
    hosts: tuple[HostRecord, ...] = (),
    host_paths: tuple[HostPath, ...] = (),
) -> RunRecord:
    """Return the record.

    started: wall clock [s] and monotonic clock [ns]. load_mono_ns: begin and end of the load. idle: begin and end [mono
    ns] of the idle windows before and after it, None where not taken. idle_before_of: key of the cell that the first of
    them was measured after, None where it was measured for this one. others_cpu: what others took of the host's CPUs
    while idle and under load. hosts, host_paths: of a deployment over several hosts; header: of all of them.
    """
    kv_bytes, kv_warnings = settled_kv_bytes(task.launch, deployment.server_start)
    device_ids = {id_ for instance in deployment.server_start.instances for id_ in instance.device_ids}
    return RunRecord(
        key=task.cell.key,
        cell=task.id,
        deployment=task.launch.deployment,
        workload=task.workload,
        point=task.point,
        server_start=deployment.server_start,
        order_in_launch=task.order_in_launch,
        seeds=task.seeds,
        started_unix_s=started[0],
        started_mono_ns=started[1],
        load_begin_mono_ns=load_mono_ns[0],
        load_end_mono_ns=load_mono_ns[1],
        idle_before=idle[0],
        idle_after=idle[1],
        idle_before_of=idle_before_of,
        energy_source=header.deployment_source(device_ids),
        versions=measuring_versions(),
        hardware=hardware()
        | {
            "gpus": [device.name for device in header.devices if device.kind == "gpu"],
            "may_set_clocks": may_set_clocks(),
        },
        kv_bytes_per_token=kv_bytes,
        foreign_processes=foreign_processes,
        warnings=_clock_warnings(applied) + kv_warnings + warnings,
        gpu_links=links_between(deployment.gpu_indices),
        kv_network=measured_network(host_paths)
        or kv_network(task.launch.deployment.connector, deployment.server_start),
        applied=applied,
        under_load=under_load,
        others_cpu_idle=others_cpu[0],
        others_cpu_load=others_cpu[1],
        soak=soak,
        side_by_side=task.job.side_by_side,
        hosts=hosts,
        host_paths=host_paths,
    )


def joined(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return what was seen before or after, each once; None where one of the two looks could not be taken."""
    return None if before is None or after is None else tuple(dict.fromkeys((*before, *after)))


def lost_warnings(report: SamplerReport) -> tuple[str, ...]:
    """Return a warning for each device that was lost though nobody measured needs it."""
    return tuple(
        f"{device_id} was lost during the cell ({why}); it serves nobody here, so the measurement went on without it"
        for device_id, why in report.lost_devices.items()
    )


def _clock_warnings(applied: AppliedPoint) -> tuple[str, ...]:
    return () if applied.warning is None else (applied.warning,)


def write_sealed(folder: Path, run: RunRecord) -> RunRecord:
    """Write run.json, the last file of a raw folder, with the checksums of all others; return what was written."""
    sums = checksums(folder)
    sums.pop(raw.RUN, None)  # a run.json that is replaced
    sealed = replace(run, checksums=sums)
    write_record(folder / raw.RUN, sealed)
    return sealed
