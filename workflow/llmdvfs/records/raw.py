"""The raw folder of a cell: written once by benchmark, read by everything after it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmdvfs.records.host_files import header_of_all, host_files, readings_of_all, report_of_all
from llmdvfs.records.load import CalibrationResult, LoadReport
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.places import RUN as RUN
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.readings import NOTHING_READ, Readings
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.seal import check_seal
from llmdvfs.records.store import read_lines, read_record
from llmdvfs.records.telemetry import SamplerReport, TelemetryHeader
from llmdvfs.records.telemetry_file import read_header, read_in_columns

REQUESTS = "requests.jsonl"
LOAD_REPORT = "load_report.json"
TELEMETRY = "telemetry.jsonl"
TELEMETRY_REPORT = "telemetry_report.json"
PROXY = "proxy.jsonl"
CALIBRATION = "calibration.json"
IDLE_TELEMETRY = "idle_telemetry.jsonl"
"""Of a sweep's step: readings of the sweep's idle windows, which lie far from the step's own."""
METRICS_BEFORE = "metrics_before.json"
METRICS_AFTER = "metrics_after.json"
READ = (
    *(REQUESTS, LOAD_REPORT, TELEMETRY, TELEMETRY_REPORT, PROXY, CALIBRATION),
    *(IDLE_TELEMETRY, METRICS_BEFORE, METRICS_AFTER),
)
"""What results are made of; the rest is kept for people."""


@dataclass(frozen=True, slots=True)
class RawCell:
    """All that was recorded of one cell, as read back from its raw folder."""

    run: RunRecord
    requests: tuple[RequestRecord, ...]
    load_report: LoadReport
    calibration: CalibrationResult | None
    """The client's own error at this load; None: not calibrated."""
    header: TelemetryHeader
    readings: Readings
    sampler_report: SamplerReport
    proxy: dict[str, ProxyRecord]
    """By request id; empty where no proxy stood before the servers."""
    metrics_before: MetricsRecord
    metrics_after: MetricsRecord
    idle_readings: Readings = NOTHING_READ
    """Readings in the idle windows of a sweep, for one of its steps; none elsewhere, where `readings` cover the idle
    windows."""


def read_raw(folder: Path) -> RawCell:
    """Read a raw folder; SchemaError names the file that is missing, damaged or not as it was recorded."""
    run = read_record(folder / RUN, RunRecord)
    check_seal(folder, run.checksums, (*READ, *host_files(run.host_names)))
    header, readings = read_in_columns(folder / TELEMETRY)
    idle = folder / IDLE_TELEMETRY
    proxy, calibration = folder / PROXY, folder / CALIBRATION
    return RawCell(
        run=run,
        requests=tuple(read_lines(folder / REQUESTS, RequestRecord)),
        load_report=read_record(folder / LOAD_REPORT, LoadReport),
        calibration=read_record(calibration, CalibrationResult) if calibration.exists() else None,
        header=header_of_all(folder, header, run.hosts),
        readings=readings_of_all(folder, readings, run.hosts),
        sampler_report=report_of_all(folder, read_record(folder / TELEMETRY_REPORT, SamplerReport), run.host_names),
        proxy={record.request_id: record for record in read_lines(proxy, ProxyRecord)} if proxy.exists() else {},
        metrics_before=read_record(folder / METRICS_BEFORE, MetricsRecord),
        metrics_after=read_record(folder / METRICS_AFTER, MetricsRecord),
        idle_readings=read_in_columns(idle)[1] if idle.exists() else NOTHING_READ,
    )


def read_drawn(folder: Path) -> tuple[RunRecord, tuple[RequestRecord, ...], TelemetryHeader]:
    """Read what figures draw of a raw folder: the run, its requests, and the header of its telemetry.

    Readings are drawn from timeline.csv, and are not read again.
    """
    run = read_record(folder / RUN, RunRecord)
    check_seal(folder, run.checksums, (REQUESTS,))
    header = header_of_all(folder, read_header(folder / TELEMETRY), run.hosts)
    return run, tuple(read_lines(folder / REQUESTS, RequestRecord)), header


def check_sealed(folder: Path, names: Iterable[str]) -> None:
    """Raise SchemaError for the first of these files of a raw folder that is not as it was recorded.

    A load that was run by hand has no run.json, and so no seal.
    """
    if (folder / RUN).exists():
        check_seal(folder, read_record(folder / RUN, RunRecord).checksums, names)
