"""Latency and throughput of a load, from what the client saw (docs/metrics.md#latency, docs/metrics.md#throughput)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.distribution import distribution
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import LatencyResult, ThroughputResult, Window
from llmdvfs.records.spec import SloSpec, WorkloadSpec


def latency_result(requests: Sequence[RequestRecord], window: Window, started_mono_ns: int) -> LatencyResult:
    """Return the latencies of the requests of `inside_window`."""
    inside = inside_window(requests, window, started_mono_ns)
    return LatencyResult(
        ttft_s=distribution([ttft_s(r) for r in inside]),
        ttft_from_sent_s=distribution([ttft_s(r) - lateness_s(r) for r in inside]),
        tpot_s=distribution([tpot for r in inside if (tpot := tpot_s(r)) is not None]),
        tbt_s=distribution(_joined(token_gaps_s(r) for r in inside)),
        chunk_gap_s=distribution(_joined(_chunk_gaps_s(r) for r in inside)),
        e2e_s=distribution([e2e_s(r) for r in inside]),
        normalised_latency_s=distribution([e2e_s(r) / sum(r.chunk_num_tokens) for r in inside]),
        lateness_s=distribution([lateness_s(r) for r in inside]),
    )


def inside_window(requests: Sequence[RequestRecord], window: Window, started_mono_ns: int) -> list[RequestRecord]:
    """Return the ok requests that lived wholly in the window: no other load shaped them."""
    return [r for r in requests if r.ok and _lived_in(r, window, started_mono_ns)]


def throughput_result(
    requests: Sequence[RequestRecord], workload: WorkloadSpec, window: Window, started_mono_ns: int
) -> ThroughputResult:
    """Return the rates over the window; outcomes and the failed share are of the whole load."""
    length_s = window.end_s - window.begin_s
    ended = [r for r in requests if _in(r.end_mono_ns, window, started_mono_ns)]
    ok = [r for r in ended if r.ok]
    good = [r for r in ok if meets(r, workload.slo)]
    has_slo = any(limit is not None for limit in astuple(workload.slo))
    num_prompt_tokens = sum(_prompt_tokens(r) for r in requests if r.ok and _first_in(r, window, started_mono_ns))
    num_output_tokens = sum(_output_tokens_in(r, window, started_mono_ns) for r in requests if r.ok)

    def rate(amount: int) -> float | None:
        return amount / length_s if length_s > 0 else None

    return ThroughputResult(
        num_requests=len(ok),
        outcomes=dict(Counter(r.outcome for r in requests)),
        failed_fraction=sum(not r.ok for r in requests) / len(requests) if requests else 0.0,
        num_prompt_tokens=num_prompt_tokens,
        num_output_tokens=num_output_tokens,
        request_rate_rps=rate(len(ok)),
        prompt_token_rate_per_s=rate(num_prompt_tokens),
        output_token_rate_per_s=rate(num_output_tokens),
        goodput_rps=rate(len(good)) if has_slo else None,
        slo_attainment_fraction=len(good) / len(ended) if has_slo and ended else None,
    )


def ttft_s(request: RequestRecord) -> float:
    """Return the time from the scheduled send to the first token of an ok request."""
    return (request.chunk_mono_ns[0] - request.scheduled_mono_ns) / NS_PER_S


def lateness_s(request: RequestRecord) -> float:
    """Return actual minus scheduled send of an ok request."""
    assert request.sent_mono_ns is not None
    return (request.sent_mono_ns - request.scheduled_mono_ns) / NS_PER_S


def e2e_s(request: RequestRecord) -> float:
    """Return the time from the scheduled send to the last token of an ok request."""
    return (request.chunk_mono_ns[-1] - request.scheduled_mono_ns) / NS_PER_S


def tpot_s(request: RequestRecord) -> float | None:
    """Return (last token - first token) / (tokens - 1); None for a single token."""
    num_tokens = sum(request.chunk_num_tokens)
    if num_tokens < 2:
        return None
    return (request.chunk_mono_ns[-1] - request.chunk_mono_ns[0]) / NS_PER_S / (num_tokens - 1)


def token_gaps_s(request: RequestRecord) -> npt.NDArray[np.float64]:
    """Return the gaps between tokens: a chunk of k tokens, d after the chunk before it, counts as k gaps of d / k."""
    num_tokens = np.asarray(request.chunk_num_tokens[1:], dtype=np.int64)
    return np.repeat(_chunk_gaps_s(request) / num_tokens, num_tokens)


def meets(request: RequestRecord, slo: SloSpec) -> bool:
    """Whether an ok request keeps every limit that is set; a single token keeps any limit on TPOT."""
    seen = ((slo.ttft_s, ttft_s(request)), (slo.tpot_s, tpot_s(request) or 0.0), (slo.e2e_s, e2e_s(request)))
    return all(limit is None or value <= limit for limit, value in seen)


def _chunk_gaps_s(request: RequestRecord) -> npt.NDArray[np.float64]:
    return np.diff(np.asarray(request.chunk_mono_ns, dtype=np.int64)) / NS_PER_S


def _joined(parts: Iterable[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.empty(0), *parts])


def _in(instant_mono_ns: int | None, window: Window, started_mono_ns: int) -> bool:
    return instant_mono_ns is not None and (
        window.begin_s <= (instant_mono_ns - started_mono_ns) / NS_PER_S <= window.end_s
    )


def _lived_in(request: RequestRecord, window: Window, started_mono_ns: int) -> bool:
    return _in(request.scheduled_mono_ns, window, started_mono_ns) and _in(request.end_mono_ns, window, started_mono_ns)


def _first_in(request: RequestRecord, window: Window, started_mono_ns: int) -> bool:
    return _in(request.chunk_mono_ns[0], window, started_mono_ns)


def _output_tokens_in(request: RequestRecord, window: Window, started_mono_ns: int) -> int:
    t_s = (np.asarray(request.chunk_mono_ns, dtype=np.int64) - started_mono_ns) / NS_PER_S
    inside = (t_s >= window.begin_s) & (t_s <= window.end_s)
    return int(np.asarray(request.chunk_num_tokens)[inside].sum())


def _prompt_tokens(request: RequestRecord) -> int:
    told = request.num_prompt_tokens
    return told if told is not None else request.num_prompt_tokens_requested or 0
