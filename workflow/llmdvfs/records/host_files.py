"""Raw files that other hosts leave in a cell's folder, and how they come onto the measuring host's time axis.

`telemetry.<host>.jsonl` is as that host's sampler wrote it, with its own clock's stamps and its own names of devices.
`clock.<host>.jsonl` holds the exchanges that the clock's line in run.json was made of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from llmdvfs.records.device_id import on_host
from llmdvfs.records.hosts import ClockLine, HostRecord
from llmdvfs.records.readings import DeviceReadings, Readings
from llmdvfs.records.store import read_record
from llmdvfs.records.telemetry import BEST_LAST, SamplerReport, TelemetryHeader
from llmdvfs.records.telemetry_file import read_header, read_in_columns


def telemetry_of(host: str) -> str:
    """Return the name of the file with a host's telemetry."""
    return f"telemetry.{host}.jsonl"


def telemetry_report_of(host: str) -> str:
    """Return the name of the file with the report of a host's sampler."""
    return f"telemetry.{host}_report.json"


def clock_of(host: str) -> str:
    """Return the name of the file with the exchanges with a host's clock."""
    return f"clock.{host}.jsonl"


def host_files(hosts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the files of these hosts that results are made of."""
    return tuple(name(host) for host in hosts for name in (telemetry_of, telemetry_report_of))


def header_of_all(folder: Path, header: TelemetryHeader, hosts: Sequence[HostRecord]) -> TelemetryHeader:
    """Return the header of all hosts together: devices, what could not be read, and the worst source of the hosts.

    folder: raw folder of the cell. header: of the measuring host.
    """
    if not hosts:
        return header
    devices, absences, sources = list(header.devices), list(header.absences), []
    for host in hosts:
        theirs = read_header(folder / telemetry_of(host.name))
        devices += [replace(device, device_id=on_host(host.name, device.device_id)) for device in theirs.devices]
        absences += [f"{host.name}: {absence}" for absence in theirs.absences]
        sources.append(theirs.energy_source)
        if host.clock is None:
            absences.append(f"{host.name}: its clock is not known, so no reading of it has a place in time")
    source = min(sources, key=BEST_LAST.index)
    return replace(header, devices=tuple(devices), absences=tuple(absences), energy_source=source)


def readings_of_all(folder: Path, readings: Readings, hosts: Sequence[HostRecord]) -> Readings:
    """Return the readings of all hosts together, on the clock of the one that measured.

    readings: of the measuring host. A host whose clock is not known lends none: nobody can say when they were.
    """
    devices = dict(readings.devices)
    for host in hosts:
        if host.clock is not None:
            _, theirs = read_in_columns(folder / telemetry_of(host.name))
            devices |= {on_host(host.name, name): _here(own, host.clock) for name, own in theirs.devices.items()}
    return Readings(devices)


def _here(readings: DeviceReadings, clock: ClockLine) -> DeviceReadings:
    begin_ns, end_ns = (
        np.array([clock.here_ns(there_ns) for there_ns in edge.tolist()], dtype=np.int64)
        for edge in (readings.begin_mono_ns, readings.end_mono_ns)
    )
    return DeviceReadings(begin_ns, end_ns, readings.columns)


def report_of_all(folder: Path, own: SamplerReport, hosts: Sequence[str]) -> SamplerReport:
    """Return what the samplers of all hosts say of themselves: sums, the largest lateness, the first error."""
    reports = [own, *(read_record(folder / telemetry_report_of(host), SamplerReport) for host in hosts)]
    late = [report.lateness_p99_s for report in reports if report.lateness_p99_s is not None]
    lost = {
        on_host(host, device): why
        for host, report in zip(hosts, reports[1:], strict=True)
        for device, why in report.lost_devices.items()
    }
    return replace(
        own,
        num_readings=sum(report.num_readings for report in reports),
        num_missed_slots=sum(report.num_missed_slots for report in reports),
        num_slots=sum(report.num_slots for report in reports),
        lateness_p99_s=max(late, default=None),
        cpu_s=sum(report.cpu_s for report in reports),
        error=next((report.error for report in reports if report.error is not None), None),
        lost_devices={**own.lost_devices, **lost},
    )
