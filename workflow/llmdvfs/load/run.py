"""Runs the load generator once: warm-up, load, and (where the load ends by itself) the reading of the journal."""

import asyncio
import resource
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from llmdvfs.clock import NS_PER_S
from llmdvfs.load.schedule.plan import plan_load
from llmdvfs.load.schedule.tokens import token_counter
from llmdvfs.load.sending.client import Client
from llmdvfs.load.sending.feed import Feed
from llmdvfs.load.sending.heartbeat import Heartbeat
from llmdvfs.load.sending.instances import Instances
from llmdvfs.load.sending.journal import JournalWriter, read_journal
from llmdvfs.load.sending.one_address import OneAddress
from llmdvfs.load.sending.progress import ProgressWriter
from llmdvfs.load.sending.route import MakeRoute
from llmdvfs.load.sending.shape import Shape, load_shape
from llmdvfs.load.sending.spool import Spool, WarmupSpool
from llmdvfs.load.sending.undisturbed import allow_many_files, undisturbed
from llmdvfs.load.wire.outcome import CountTokens, request_record
from llmdvfs.load.wire.request import Target, target
from llmdvfs.load.wire.way import way_record
from llmdvfs.records.load import LoadReport, LoadSpec, Priority
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import WorkloadSpec
from llmdvfs.records.store import write_lines, write_record

JOURNAL, PROGRESS, WAYS = "journal.bin", "progress.jsonl", "proxy.jsonl"


@dataclass(slots=True)
class _Run:
    """What the load itself leaves behind, for the report."""

    begin_mono_ns: int
    stopped_early: str | None
    peak_in_flight: int
    num_connections: int
    priority: Priority
    cpu_s: float
    spool: Spool
    heartbeat: Heartbeat
    suspended_s: float
    num_ended: int
    warmup: WarmupSpool


def run_load(spec: LoadSpec, api_key: str | None = None, hold: Callable[[], None] = lambda: None) -> LoadReport:
    """Run a load in this process, and return its report; its folder takes what LoadSpec says of it.

    api_key: of an endpoint that wants one. hold: called when everything is ready, before anything is sent.
    """
    run = _run_in_loop(spec, api_key, hold)
    cpu_s = process_time()
    folder = Path(spec.folder)
    requests = read_requests(folder / JOURNAL, token_counter(_tokenizer_folder(spec)))
    write_lines(folder / "requests.jsonl", requests)
    if spec.route is not None:
        write_lines(folder / WAYS, read_ways(folder / JOURNAL, requests))
    report = _report(run, requests, spec.workload.num_warmup_requests, process_time() - cpu_s)
    write_record(folder / "load_report.json", report)
    return report


def run_load_until_told(spec: LoadSpec, api_key: str | None = None, hold: Callable[[], None] = lambda: None) -> int:
    """Run a load until SIGTERM, then until what is in flight has ended; return how many requests have ended.

    spec: of a workload whose plan does not end before that, and `until_told`. Its folder takes journal.bin, into which
    each request is written soon after its end, and progress.jsonl (LoadProgress); nothing is read back.
    """
    return _run_in_loop(spec, api_key, hold).num_ended


def _tokenizer_folder(spec: LoadSpec) -> Path | None:
    return Path(spec.tokenizer_folder) if spec.tokenizer_folder else None


def _run_in_loop(spec: LoadSpec, api_key: str | None, hold: Callable[[], None]) -> _Run:
    """Run the load in an event loop of its own, and close the journal after it."""
    workload, folder, tokenizer_folder = spec.workload, Path(spec.folder), _tokenizer_folder(spec)
    seeds = (spec.seed_prompts, spec.seed_arrivals)
    shape = load_shape(workload)
    to = target(spec.base_url, endpoint=workload.endpoint, model=spec.model, api_key=api_key)
    folder.mkdir(parents=True, exist_ok=True)
    measured, first = plan_load(workload, tokenizer_folder, *seeds)
    is_direct = spec.route is not None
    feed, warmup = (Feed(plan, to, keeps_bodies=is_direct) for plan in (measured, iter(first)))
    allow_many_files()
    with JournalWriter(folder / JOURNAL, api_key) as writer, asyncio.Runner(loop_factory=_fast_loop) as runner:
        spool = Spool(writer, max_held_reads=0) if spec.until_told else Spool(writer)
        progress = ProgressWriter(folder / PROGRESS, spool) if spec.until_told else None
        hold()
        return runner.run(_run(workload, shape, _route(spec, to), feed, warmup, spool, progress))


def read_requests(journal: Path, count_tokens: CountTokens | None = None) -> list[RequestRecord]:
    """Return the records of a journal in the order of the plan."""
    records = (request_record(exchange, count_tokens) for exchange in read_journal(journal))
    return sorted(records, key=lambda record: record.index)


def read_ways(journal: Path, requests: Sequence[RequestRecord]) -> list[ProxyRecord]:
    """Return a proxy's record of each request that was sent to instances directly; `requests`: those of the journal."""
    by_index = {request.index: request for request in requests}
    ways = (way_record(exchange, by_index[exchange.index]) for exchange in read_journal(journal))
    return [way for way in ways if way is not None]


def _route(spec: LoadSpec, to: Target) -> MakeRoute:
    plan = spec.route
    return (lambda ended: OneAddress(to, ended)) if plan is None else (lambda ended: Instances(plan, to, ended))


async def _run(
    workload: WorkloadSpec,
    shape: Shape,
    make_route: MakeRoute,
    feed: Feed,
    warmup: Feed,
    spool: Spool,
    progress: ProgressWriter | None,
) -> _Run:
    """Run warm-up and load. progress: of a load that goes on until SIGTERM; None: the plan ends it."""
    client = Client(
        make_route,
        request_timeout_s=workload.request_timeout_s,
        idle_timeout_s=workload.idle_timeout_s,
        watch=None if progress is None else progress.watch,
    )
    warmed = WarmupSpool()
    feed.fill(shape.num_connections, shape.ahead_s)
    try:
        await client.route.open(shape.num_connections, shape.num_spare_connections)
        if workload.num_warmup_requests:
            await client.run(warmup, shape.warmup_pacer, warmed, shape.num_connections)
        with undisturbed() as priority:
            cpu_s = process_time()
            if progress is not None:
                progress.begin(priority)
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, client.end)
            await client.run(feed, shape.pacer, spool, 2 * shape.num_connections)
            cpu_s = process_time() - cpu_s
            suspended_s = client.heartbeat.suspended_s()
    finally:
        await client.route.close()
    spool.write_all()
    if progress is not None:
        progress.end(client)
    return _Run(
        begin_mono_ns=client.begin_mono_ns,
        stopped_early=client.stopped_early,
        peak_in_flight=client.peak_in_flight,
        num_connections=client.route.num_opened,
        priority=priority,
        cpu_s=cpu_s,
        spool=spool,
        heartbeat=client.heartbeat,
        suspended_s=suspended_s,
        num_ended=client.num_ended,
        warmup=warmed,
    )


def _report(run: _Run, requests: list[RequestRecord], num_warmup_requests: int, parse_cpu_s: float) -> LoadReport:
    lateness_s = sorted(
        (request.sent_mono_ns - request.scheduled_mono_ns) / NS_PER_S
        for request in requests
        if request.sent_mono_ns is not None
    )
    return LoadReport(
        load_begin_mono_ns=min((request.scheduled_mono_ns for request in requests), default=run.begin_mono_ns),
        load_end_mono_ns=max((request.end_mono_ns or 0 for request in requests), default=run.begin_mono_ns),
        num_requests=len(requests),
        num_warmup_requests=num_warmup_requests,
        outcomes=dict(Counter(request.outcome for request in requests)),
        stopped_early=run.stopped_early,
        peak_in_flight=run.peak_in_flight,
        num_connections=run.num_connections,
        num_reads=run.spool.num_reads,
        num_bytes=run.spool.num_bytes,
        lateness_p99_s=lateness_s[round(0.99 * (len(lateness_s) - 1))] if lateness_s else None,
        lateness_max_s=lateness_s[-1] if lateness_s else None,
        priority=run.priority,
        cpu_s=run.cpu_s,
        parse_cpu_s=parse_cpu_s,
        max_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        standstill_mono_ns=tuple(run.heartbeat.standstills),
        suspended_s=run.suspended_s,
        warmup_first_token_s=tuple(run.warmup.first_token_s),
    )


def _fast_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()
