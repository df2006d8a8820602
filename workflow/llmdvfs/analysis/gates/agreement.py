"""The gate on raw files that contradict each other or themselves: what they say cannot have happened."""

from collections.abc import Iterator, Sequence

from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.records.load import LoadReport
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Gate

COUNTER_ENDS = ("_total", "_count", "_bucket")
"""Ends of the names of what only grows while a server runs; labels follow in braces."""


def raw_files_agree(
    requests: Sequence[RequestRecord],
    report: LoadReport | None,
    metrics: tuple[MetricsRecord, MetricsRecord] | None,
) -> Gate:
    """Judge whether requests, the load's own report and the two scrapes tell one story, in an order of time.

    A file that was cut, edited or exchanged is refused by its checksum; this finds it in measurements without, and what
    a fault of the client would do. report: None where there is none. metrics: before and after the load; None where
    nobody vouches that both were taken of the same processes, as at somebody else's endpoint.
    """
    expected = "as many requests as the load reports, instants in their order, counters that only grow"
    if report is None:
        return not_applicable("raw_files_agree", "the load left no report", expected=expected)
    faults = [*_of_requests(requests, report), *(_of_scrapes(*metrics) if metrics is not None else ())]
    return verdict(
        "raw_files_agree",
        not faults,
        seen="; ".join(faults[:3]) or f"{len(requests)} requests, and no contradiction",
        expected=expected,
        remedy="put back the raw files as they were recorded, or measure again: `python -m llmdvfs forget`",
    )


def _of_requests(requests: Sequence[RequestRecord], report: LoadReport) -> Iterator[str]:
    if len(requests) != report.num_requests:
        yield f"{len(requests)} requests in requests.jsonl, {report.num_requests} in load_report.json"
    if len({request.index for request in requests}) < len(requests):
        yield "requests with the same index"
    for request in requests:
        if (fault := _of_request(request)) is not None:
            yield f"request {request.index}: {fault}"


def _of_request(request: RequestRecord) -> str | None:
    """Return what of an answered request contradicts itself; of others nothing is claimed."""
    if not request.ok:
        return None
    instants = [request.scheduled_mono_ns, request.sent_mono_ns, *request.chunk_mono_ns, request.end_mono_ns]
    if None in instants:
        return "answered, and without instants of send and end"
    told = [instant for instant in instants if instant]
    if told != sorted(told):
        return "its tokens, send and end are not in the order of time"
    if len(request.chunk_mono_ns) != len(request.chunk_num_tokens):
        return f"{len(request.chunk_mono_ns)} instants of chunks, token counts of {len(request.chunk_num_tokens)}"
    return None


def _of_scrapes(before: MetricsRecord, after: MetricsRecord) -> Iterator[str]:
    if after.taken_mono_ns <= before.taken_mono_ns:
        yield "the servers' metrics after the load were taken before those before it"
    for instance, samples in before.instances.items():
        later = after.instances.get(instance) or {}
        for name, value in (samples or {}).items():
            if name.partition("{")[0].endswith(COUNTER_ENDS) and later.get(name, value) < value:
                yield f"{instance}: {name} fell from {value:g} to {later[name]:g}"
                return
