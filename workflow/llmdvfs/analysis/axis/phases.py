"""Finds the phases of every request on the one time axis; docs/metrics.md#phases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.chunks import chunks_of
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import Phase, Role


@dataclass(frozen=True, slots=True)
class _Span:
    """One phase of one request, in nanoseconds."""

    phase: Phase
    role: Role
    begin_ns: int
    end_ns: int
    is_bound: bool


def phase_intervals(
    requests: Sequence[RequestRecord], proxy: Mapping[str, ProxyRecord], *, started_mono_ns: int
) -> tuple[PhaseInterval, ...]:
    """Return the phases of all requests, in seconds since started_mono_ns, sorted by their begin.

    proxy: stamps by request id; where they name a prefill instance, the request was disaggregated. A request that
    failed has those phases that it reached.
    """
    step_ns = decode_step_ns(requests)
    intervals = []
    for request in requests:
        stamps = proxy.get(request.request_id)
        disaggregated = stamps is not None and stamps.prefill_sent_mono_ns is not None
        for span in _disaggregated(request, stamps, step_ns) if disaggregated and stamps else _undivided(request):
            if span.end_ns > span.begin_ns:
                begin_s, end_s = ((instant - started_mono_ns) / NS_PER_S for instant in (span.begin_ns, span.end_ns))
                intervals.append(PhaseInterval(request.index, span.phase, span.role, begin_s, end_s, span.is_bound))
    return tuple(sorted(intervals, key=lambda interval: (interval.begin_s, interval.end_s)))


def decode_step_ns(requests: Sequence[RequestRecord]) -> int:
    """Return the median gap between chunks [ns], which is how long a plain decode step takes; 0 without gaps."""
    gaps_ns = chunks_of(requests).gaps_ns
    return int(np.median(gaps_ns)) if len(gaps_ns) else 0


def _undivided(request: RequestRecord) -> Iterator[_Span]:
    """Yield prefill and decode; prefill is seen from outside up to the first token, so it contains time in a queue."""
    sent, end, chunks = request.sent_mono_ns, request.end_mono_ns, request.chunk_mono_ns
    if sent is None or end is None:
        return
    yield _Span("prefill", "single", sent, chunks[0] if chunks else end, is_bound=True)
    if chunks:
        yield _Span("decode", "single", chunks[0], chunks[-1], is_bound=False)


def _disaggregated(request: RequestRecord, stamps: ProxyRecord, step_ns: int) -> Iterator[_Span]:
    """Yield prefill, transfer and decode; transfer is an upper bound, from prefill's answer to the first decode step.

    The decode instance computes the first token itself, so one decode step before the first byte belongs to decode.
    """
    end = request.end_mono_ns or stamps.last_byte_mono_ns
    sent, done, first = stamps.prefill_sent_mono_ns, stamps.prefill_done_mono_ns, stamps.first_byte_mono_ns
    if sent is None or end is None:
        return
    yield _Span("prefill", "prefill", sent, end if done is None else done, is_bound=True)
    if done is None:
        return
    if first is None:
        yield _Span("transfer", "decode", done, end, is_bound=True)
        return
    decode_begin = max(done, first - step_ns)
    yield _Span("transfer", "decode", done, decode_begin, is_bound=True)
    last = request.chunk_mono_ns[-1] if request.chunk_mono_ns else first
    yield _Span("decode", "decode", decode_begin, last, is_bound=False)
