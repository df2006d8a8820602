"""Puts all that was recorded of a cell on one time axis (docs/metrics.md#phases).

Requests, proxy stamps and telemetry are recorded by different processes, all on the measuring host's CLOCK_MONOTONIC;
`read_raw` brings readings of other hosts onto it. Here their instants become seconds since the cell's start, each
request gets its phases, and each reading the phase it fell into.
"""

from collections import Counter
from dataclasses import replace

from llmdvfs.analysis.axis.clock_bound import clock_untold
from llmdvfs.analysis.axis.phases import phase_intervals
from llmdvfs.analysis.axis.role_steps import role_steps
from llmdvfs.analysis.axis.steady_state import cell_window
from llmdvfs.analysis.axis.timeline import Table, timeline
from llmdvfs.analysis.engine_wait import engine_wait
from llmdvfs.analysis.step_sizes import step_sizes
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.device_id import CPU, host_of, on_host
from llmdvfs.records.phases import EngineWait, PhasesRecord
from llmdvfs.records.raw import RawCell
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import DeviceRole, Role
from llmdvfs.records.telemetry import TelemetryHeader


def merge(raw: RawCell) -> tuple[PhasesRecord, Table]:
    """Return the phases of every request, and a table with one row for every telemetry reading.

    Times in both are seconds since the cell's start; `timeline` describes the table's columns. A device that computes
    for no role of the deployment is in the table too, with an empty role.
    """
    run = raw.run
    started = run.started_mono_ns
    intervals = phase_intervals(raw.requests, raw.proxy, started_mono_ns=started)
    roles = device_roles(run, raw.header)
    window = cell_window(run, raw.requests)
    num_instances = Counter(instance.role for instance in run.server_start.instances)
    found = role_steps(
        raw.requests,
        raw.proxy,
        num_instances,
        started_mono_ns=started,
        sizes={role: step_sizes(run, raw.metrics_before, raw.metrics_after, role) for role in num_instances},
        num_warmup_requests=run.workload.num_warmup_requests,
    )
    phases = PhasesRecord(
        intervals=intervals,
        device_roles=roles,
        load_begin_s=(run.load_begin_mono_ns - started) / NS_PER_S,
        load_end_s=(run.load_end_mono_ns - started) / NS_PER_S,
        window_begin_s=window.begin_s,
        window_end_s=window.end_s,
        steps=found.steps,
        steps_untold=found.untold,
        stamp_error_s=found.stamp_error_s,
        engine_wait={role: wait for role in num_instances if (wait := _engine_wait(raw, role)) is not None},
        window_kind=window.kind,
        window_reason=window.reason,
    )
    phases = replace(phases, clock_untold=clock_untold(run, phases))
    return phases, timeline(raw.readings, phases, started_mono_ns=started)


def _engine_wait(raw: RawCell, role: Role) -> EngineWait | None:
    return engine_wait(raw.run, raw.requests, raw.load_report, raw.metrics_before, raw.metrics_after, role)


def device_roles(run: RunRecord, header: TelemetryHeader) -> dict[str, DeviceRole]:
    """Return device id -> the role that it computes for; a device that serves nobody is not among them.

    A device that serves instances of several roles, as the CPU under a disaggregated deployment does, is a `host`. A
    RAPL domain, which measures the host's energy, has the role of the host's CPU.
    """
    roles: dict[str, DeviceRole] = {}
    for instance in run.server_start.instances:
        for device_id in instance.device_ids:
            known = roles.setdefault(device_id, instance.role)
            if known != instance.role:
                roles[device_id] = "host"
    for device in header.devices:
        host = host_of(device.device_id)
        cpu = CPU if host is None else on_host(host, CPU)
        if device.kind == "rapl" and cpu in roles:
            roles[device.device_id] = roles[cpu]
    return roles
