"""One time axis for all that was recorded of a cell."""

import pandas as pd

from llmdvfs.analysis.axis.phases import phase_intervals
from llmdvfs.analysis.axis.steady_state import find_window
from llmdvfs.analysis.axis.timeline import timeline
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.device_id import CPU
from llmdvfs.records.phases import PhasesRecord
from llmdvfs.records.raw import RawCell
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import DeviceRole
from llmdvfs.records.telemetry import TelemetryHeader


def merge(raw: RawCell) -> tuple[PhasesRecord, pd.DataFrame]:
    """Return the phases of every request and the timeline of every reading, in seconds since the cell's start."""
    run = raw.run
    started = run.started_mono_ns
    intervals = phase_intervals(raw.requests, raw.proxy, started_mono_ns=started)
    roles = device_roles(run, raw.header)
    window = find_window(raw.requests, run.workload, started)
    phases = PhasesRecord(
        intervals=intervals,
        device_roles=roles,
        load_begin_s=(run.load_begin_mono_ns - started) / NS_PER_S,
        load_end_s=(run.load_end_mono_ns - started) / NS_PER_S,
        window_begin_s=window.begin_s,
        window_end_s=window.end_s,
    )
    return phases, timeline(raw.readings, intervals, roles, started_mono_ns=started)


def device_roles(run: RunRecord, header: TelemetryHeader) -> dict[str, DeviceRole]:
    """Return what each device computes for; one that serves instances of several roles is a `host`.

    What measures the host's energy (RAPL) serves whom the host's CPU serves.
    """
    roles: dict[str, DeviceRole] = {}
    for instance in run.server_start.instances:
        for device_id in instance.device_ids:
            known = roles.setdefault(device_id, instance.role)
            if known != instance.role:
                roles[device_id] = "host"
    if CPU in roles:
        roles |= {device.device_id: roles[CPU] for device in header.devices if device.kind == "rapl"}
    return roles
