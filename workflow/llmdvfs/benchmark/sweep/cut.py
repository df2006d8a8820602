"""Cuts the recording of a sweep into raw folders, one a step, that stand for themselves."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from llmdvfs.clock import NS_PER_S
from llmdvfs.errors import SchemaError
from llmdvfs.load.run import JOURNAL, PROGRESS
from llmdvfs.load.schedule.tokens import token_counter
from llmdvfs.load.sending.journal import JournalWriter, read_journal
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.outcome import request_record
from llmdvfs.load.wire.way import way_record
from llmdvfs.records import raw
from llmdvfs.records.load import LoadProgress, LoadReport, parse_progress
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import read_record, write_lines, write_record
from llmdvfs.records.telemetry import SamplerReport
from llmdvfs.records.telemetry_line import parse_reading

MARGIN_NS = NS_PER_S  # readings of energy trail the phases that used it: requests so near the window matter to it
IDLE_MARGIN_NS = NS_PER_S // 2  # readings between which the edges of an idle window lie

Span = tuple[int, int]
"""Begin and end [mono ns]."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a sweep's recording that belongs to one step, and the folder that takes it."""

    folder: Path
    """An existing folder, which takes the files."""
    held_mono_ns: Span
    """From the entry of the point to its end: readings in this span belong to the step."""
    window_mono_ns: Span
    """Requests that were scheduled or in flight in this span belong to the step."""


def cut(recording: Path, slices: Sequence[Slice], idle_mono_ns: Sequence[Span], num_warmup_requests: int) -> None:
    """Write telemetry, requests, journal and the two reports of each slice; SchemaError for a damaged recording.

    recording: folder of the sweep, whose sampler and client have ended. A client that was killed leaves a journal that
    breaks off, but after everything that it had said to be written.
    """
    _cut_telemetry(recording, slices, idle_mono_ns)
    cpu_s = time.process_time()
    asked = _cut_journal(recording, slices)
    parse_cpu_s = (time.process_time() - cpu_s) / max(1, len(slices))
    progress = [parse_progress(line) for line in _whole_lines(recording / PROGRESS)]
    for own, part in zip(slices, asked, strict=True):
        part.requests.sort(key=lambda request: request.index)
        write_lines(own.folder / raw.REQUESTS, part.requests)
        if part.ways:
            write_lines(own.folder / raw.PROXY, part.ways)
        report = _load_report(own, part, progress, parse_cpu_s, num_warmup_requests)
        write_record(own.folder / raw.LOAD_REPORT, report)


def _cut_telemetry(recording: Path, slices: Sequence[Slice], idle: Sequence[Span]) -> None:
    """Write the readings of each step, and those of the idle windows beside them."""
    header, *lines = _whole_lines(recording / raw.TELEMETRY)
    readings = [(parse_reading(line).begin_mono_ns, line) for line in lines]
    wide = [(begin - IDLE_MARGIN_NS, end + IDLE_MARGIN_NS) for begin, end in idle]
    at_rest = [line for at, line in readings if any(begin <= at <= end for begin, end in wide)]
    report = read_record(recording / raw.TELEMETRY_REPORT, SamplerReport)
    for own in slices:
        begin, end = own.held_mono_ns
        loaded = [line for at, line in readings if begin <= at <= end]
        _write_telemetry(own.folder / raw.TELEMETRY, header, loaded)
        _write_telemetry(own.folder / raw.IDLE_TELEMETRY, header, at_rest)
        outlived = report.ended_mono_ns >= end
        own_report = replace(report, error=None) if outlived else report
        write_record(own.folder / raw.TELEMETRY_REPORT, replace(own_report, num_readings=len(loaded)))


def _write_telemetry(path: Path, header: bytes, lines: Sequence[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in (header, *lines)))


@dataclass(slots=True)
class _Asked:
    """What the journal says of one slice's requests."""

    requests: list[RequestRecord] = field(default_factory=list)
    ways: list[ProxyRecord] = field(default_factory=list)
    """Their ways through the instances, where the client itself asked those (route `direct`)."""
    num_reads: int = 0
    num_bytes: int = 0


def _cut_journal(recording: Path, slices: Sequence[Slice]) -> list[_Asked]:
    """Write the journal of each slice, and return what it says.

    One pass, one exchange in memory at a time: a sweep's journal may have a gigabyte.
    """
    asked = [_Asked() for _ in slices]
    count_tokens = token_counter(_tokenizer_folder(recording))
    writers = [JournalWriter(own.folder / JOURNAL) for own in slices]
    try:
        for exchange in _whole_exchanges(recording / JOURNAL):
            wanted = [position for position, own in enumerate(slices) if _belongs(exchange, own.window_mono_ns)]
            if not wanted:
                continue
            record = request_record(exchange, count_tokens)
            way = way_record(exchange, record)
            num_bytes = sum(len(data) for _, data in exchange.reads)
            for position in wanted:
                writers[position].write(exchange)
                part = asked[position]
                part.requests.append(record)
                part.ways += [] if way is None else [way]
                part.num_reads += len(exchange.reads)
                part.num_bytes += num_bytes
    finally:
        for writer in writers:
            writer.__exit__(None, None, None)
    return asked


def _belongs(exchange: Exchange, window: Span) -> bool:
    end = exchange.end_mono_ns or exchange.scheduled_mono_ns
    return exchange.scheduled_mono_ns <= window[1] + MARGIN_NS and end >= window[0] - MARGIN_NS


def _whole_exchanges(journal: Path) -> Iterator[Exchange]:
    """Yield the exchanges up to where a killed client broke off."""
    try:
        yield from read_journal(journal)
    except SchemaError:
        return


def _tokenizer_folder(recording: Path) -> Path | None:
    told = orjson.loads((recording / "load_spec.json").read_bytes())["tokenizer_folder"]
    return None if told is None else Path(told)


def _load_report(
    own: Slice,
    asked: _Asked,
    progress: Sequence[LoadProgress],
    parse_cpu_s: float,
    num_warmup_requests: int,
) -> LoadReport:
    """Return the client's report as it would have been of the window alone."""
    begin, end = own.window_mono_ns
    requests = asked.requests
    inside = [line for line in progress if begin <= line.at_mono_ns <= end] or list(progress[-1:])
    lateness_s = sorted(
        (request.sent_mono_ns - request.scheduled_mono_ns) / NS_PER_S
        for request in requests
        if request.sent_mono_ns is not None
    )
    return LoadReport(
        load_begin_mono_ns=begin,
        load_end_mono_ns=max((request.end_mono_ns or end for request in requests), default=end),
        num_requests=len(requests),
        num_warmup_requests=num_warmup_requests,
        outcomes=dict(Counter(request.outcome for request in requests)),
        stopped_early=None,
        peak_in_flight=max((line.num_sent - line.num_ended for line in inside), default=0),
        num_connections=max((line.num_connections for line in inside), default=0),
        num_reads=asked.num_reads,
        num_bytes=asked.num_bytes,
        lateness_p99_s=lateness_s[round(0.99 * (len(lateness_s) - 1))] if lateness_s else None,
        lateness_max_s=lateness_s[-1] if lateness_s else None,
        cpu_s=inside[-1].cpu_s - inside[0].cpu_s if inside else 0.0,
        parse_cpu_s=parse_cpu_s,
        max_rss_bytes=max((line.max_rss_bytes for line in inside), default=0),
        priority=inside[-1].priority if inside else None,
        standstill_mono_ns=tuple(pair for line in progress for pair in line.standstill_mono_ns),
        suspended_s=inside[-1].suspended_s - inside[0].suspended_s if inside else None,
    )


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]
