"""Latency and throughput of a load, from what the client saw (docs/metrics.md#latency, docs/metrics.md#throughput).

All instants of a request are integer nanoseconds of CLOCK_MONOTONIC; a window is in seconds since the cell's start,
`started_mono_ns`. A function whose name ends in `_s` returns seconds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple

from llmdvfs.analysis.chunks import chunks_of
from llmdvfs.analysis.distribution import distribution
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import LatencyResult, ThroughputResult, Window
from llmdvfs.records.spec import SloSpec, WorkloadSpec


def latency_result(requests: Sequence[RequestRecord], window: Window, started_mono_ns: int) -> LatencyResult:
    """Return the latencies of the requests that were scheduled in the window, whenever they ended.

    To ask also that they ended in it would leave out the long ones: of those scheduled in the last seconds only the
    short ones end in time. A request that timed out enters the first token's and the whole answer's latency with the
    time until it was given up, which is less than it would have taken; the distributions say how many those are.
    """
    counted = scheduled_in_window(requests, window, started_mono_ns)
    ok = [r for r in counted if r.ok]
    timed_out = [r for r in counted if r.outcome == "timeout" and r.sent_mono_ns is not None]
    mute = [r for r in timed_out if not r.chunk_mono_ns]
    begun = [*ok, *(r for r in timed_out if r.chunk_mono_ns)]
    chunks = chunks_of(ok)
    return LatencyResult(
        ttft_s=distribution([ttft_s(r) for r in begun], at_least=[waited_s(r) for r in mute]),
        ttft_from_sent_s=distribution(
            [ttft_s(r) - lateness_s(r) for r in begun], at_least=[waited_s(r) - lateness_s(r) for r in mute]
        ),
        tpot_s=distribution([tpot for r in ok if (tpot := tpot_s(r)) is not None]),
        tbt_s=distribution(chunks.token_gaps_s),
        chunk_gap_s=distribution(chunks.gaps_s),
        e2e_s=distribution([e2e_s(r) for r in ok], at_least=[waited_s(r) for r in timed_out]),
        normalised_latency_s=distribution([e2e_s(r) / sum(r.chunk_num_tokens) for r in ok]),
        lateness_s=distribution([lateness_s(r) for r in counted if r.sent_mono_ns is not None]),
    )


def scheduled_in_window(requests: Sequence[RequestRecord], window: Window, started_mono_ns: int) -> list[RequestRecord]:
    """Return the requests that were due inside the window [s since started_mono_ns], whatever became of them."""
    return [r for r in requests if _in(r.scheduled_mono_ns, window, started_mono_ns)]


def throughput_result(
    requests: Sequence[RequestRecord], workload: WorkloadSpec, window: Window, started_mono_ns: int
) -> ThroughputResult:
    """Return the rates over the window; outcomes and the failed share are of the whole load.

    Requests and tokens are counted where they end, inside the window. What is judged against the latency limits is
    counted by schedule, like the latencies themselves, and a request that failed in any way keeps no limit.
    """
    length_s = window.end_s - window.begin_s
    num_ok = sum(r.ok and _in(r.end_mono_ns, window, started_mono_ns) for r in requests)
    due = scheduled_in_window(requests, window, started_mono_ns)
    good = [r for r in due if r.ok and meets(r, workload.slo)]
    has_slo = any(limit is not None for limit in astuple(workload.slo))
    num_prompt_tokens = sum(_prompt_tokens(r) for r in requests if r.ok and _first_in(r, window, started_mono_ns))
    chunks = chunks_of([r for r in requests if r.ok])
    inside = chunks.inside(window.begin_s, window.end_s, started_mono_ns)
    num_output_tokens = int(chunks.num_tokens[inside].sum())

    def rate(amount: int) -> float | None:
        return amount / length_s if length_s > 0 else None

    return ThroughputResult(
        num_requests=num_ok,
        outcomes=dict(Counter(r.outcome for r in requests)),
        failed_fraction=sum(not r.ok for r in requests) / len(requests) if requests else 0.0,
        num_prompt_tokens=num_prompt_tokens,
        num_output_tokens=num_output_tokens,
        request_rate_rps=rate(num_ok),
        prompt_token_rate_per_s=rate(num_prompt_tokens),
        output_token_rate_per_s=rate(num_output_tokens),
        goodput_rps=rate(len(good)) if has_slo else None,
        slo_attainment_fraction=len(good) / len(due) if has_slo and due else None,
    )


def ttft_s(request: RequestRecord) -> float:
    """Return the time from the scheduled send to the first token [s]; the request must have had one."""
    return (request.chunk_mono_ns[0] - request.scheduled_mono_ns) / NS_PER_S


def lateness_s(request: RequestRecord) -> float:
    """Return actual minus scheduled send [s]; the request must have been sent."""
    assert request.sent_mono_ns is not None
    return (request.sent_mono_ns - request.scheduled_mono_ns) / NS_PER_S


def e2e_s(request: RequestRecord) -> float:
    """Return the time from the scheduled send to the last token [s] of an ok request."""
    return (request.chunk_mono_ns[-1] - request.scheduled_mono_ns) / NS_PER_S


def waited_s(request: RequestRecord) -> float:
    """Return the time from the scheduled send to the end [s]; for a time-out a lower bound of its latency."""
    assert request.end_mono_ns is not None
    return (request.end_mono_ns - request.scheduled_mono_ns) / NS_PER_S


def tpot_s(request: RequestRecord) -> float | None:
    """Return the mean time per token after the first chunk [s]; None where all tokens came in it.

    (last chunk - first chunk) / tokens after the first chunk: the tokens that came with the first chunk took none of
    this time. With one token in the first chunk this is the usual division by tokens - 1.
    """
    num_tokens = sum(request.chunk_num_tokens[1:])
    if num_tokens < 1:
        return None
    return (request.chunk_mono_ns[-1] - request.chunk_mono_ns[0]) / NS_PER_S / num_tokens


def meets(request: RequestRecord, slo: SloSpec) -> bool:
    """Return whether an ok request keeps every limit that is set.

    A request whose tokens all came in one chunk has no TPOT and so keeps any limit on it.
    """
    seen = ((slo.ttft_s, ttft_s(request)), (slo.tpot_s, tpot_s(request) or 0.0), (slo.e2e_s, e2e_s(request)))
    return all(limit is None or value <= limit for limit, value in seen)


def _in(instant_mono_ns: int | None, window: Window, started_mono_ns: int) -> bool:
    return instant_mono_ns is not None and (
        window.begin_s <= (instant_mono_ns - started_mono_ns) / NS_PER_S <= window.end_s
    )


def _first_in(request: RequestRecord, window: Window, started_mono_ns: int) -> bool:
    return _in(request.chunk_mono_ns[0], window, started_mono_ns)


def _prompt_tokens(request: RequestRecord) -> int:
    told = request.num_prompt_tokens
    return told if told is not None else request.num_prompt_tokens_requested or 0
