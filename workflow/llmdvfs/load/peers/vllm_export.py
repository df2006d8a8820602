"""Writes a run in the JSON layout of `vllm bench serve --save-result --save-detailed`, for the tools that read it."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from llmdvfs.clock import NS_PER_S
from llmdvfs.load.peers.lens import SeenRequest, gaps_s, numbers
from llmdvfs.records.spec import WorkloadSpec

PERCENTILES = (50, 90, 95, 99)


def vllm_result(
    requests: Sequence[SeenRequest], workload: WorkloadSpec, *, model: str, ended_unix_s: float
) -> dict[str, Any]:
    """Return the result by vLLM's definitions, as a dictionary in its layout.

    Times of single requests are in seconds and summary statistics in milliseconds, as vLLM has them.
    """
    seen = numbers(requests, "vllm bench serve")
    good = [request for request in requests if succeeded(request)]
    begin_ns = min((request.sent_mono_ns for request in requests), default=0)
    end_ns = max((request.choice_mono_ns[-1] for request in good), default=begin_ns)
    duration_s = (end_ns - begin_ns) / NS_PER_S
    num_prompt_tokens = sum(request.num_prompt_tokens for request in good)
    busiest = _busiest_seconds(good)
    return {
        "date": datetime.fromtimestamp(ended_unix_s).astimezone().strftime("%Y%m%d-%H%M%S"),  # local time
        "endpoint_type": "openai-chat" if workload.endpoint == "chat" else "openai",
        "backend": "openai-chat" if workload.endpoint == "chat" else "openai",
        "label": None,
        "model_id": model,
        "tokenizer_id": model,
        "num_prompts": len(requests),
        "request_rate": _offered_rate_rps(requests, workload),
        "burstiness": workload.arrival.burstiness or 1.0,
        "max_concurrency": workload.arrival.concurrency,
        "duration": duration_s,
        "completed": len(good),
        "failed": len(requests) - len(good),
        "total_input_tokens": num_prompt_tokens,
        "total_output_tokens": seen.num_output_tokens,
        "request_throughput": _rate(len(good), duration_s),
        "request_goodput": None,
        "output_throughput": _rate(seen.num_output_tokens, duration_s),
        "total_token_throughput": _rate(num_prompt_tokens + seen.num_output_tokens, duration_s),
        "input_lens": [request.num_prompt_tokens for request in requests],
        "output_lens": [request.num_output_tokens if succeeded(request) else 0 for request in requests],
        "ttfts": [_since_sent_s(request, 0) for request in requests],
        "itls": [gaps_s(request.choice_mono_ns) for request in requests],
        "latencies": [_since_sent_s(request, -1) for request in requests],
        "start_times": [request.sent_mono_ns / NS_PER_S for request in requests],
        "queue_times": [(request.sent_mono_ns - request.record.scheduled_mono_ns) / NS_PER_S for request in requests],
        "generated_texts": [request.text for request in requests],
        "errors": [request.record.error or "" for request in requests],
        "max_output_tokens_per_s": busiest[0],
        "max_concurrent_requests": busiest[1],
        "rtfx": 0.0,  # of audio, as vLLM has it where there is none
        **_summary("ttft", seen.ttft_s),
        **_summary("tpot", seen.tpot_s),
        **_summary("itl", seen.itl_s),
        **_summary("e2el", seen.e2e_s),
    }


def succeeded(request: SeenRequest) -> bool:
    """Return whether vLLM counts the request as completed: status 200 and one chunk, even if an error event follows."""
    return request.is_transport_ok and bool(request.choice_mono_ns)


def _offered_rate_rps(requests: Sequence[SeenRequest], workload: WorkloadSpec) -> float | str:
    """Return the offered rate: the mean of a schedule without one rate, "inf" where the server set the pace."""
    arrival = workload.arrival
    if arrival.rate_rps is not None:
        return arrival.rate_rps
    scheduled_ns = [request.record.scheduled_mono_ns for request in requests]
    span_s = (max(scheduled_ns, default=0) - min(scheduled_ns, default=0)) / NS_PER_S
    follows_the_server = arrival.kind in ("closed", "waves")
    return "inf" if follows_the_server or not span_s else (len(requests) - 1) / span_s


def _busiest_seconds(good: Sequence[SeenRequest]) -> tuple[float, int]:
    """Return the most tokens and the most requests in flight of any second, counted from the first send.

    By vLLM's definitions: a chunk is a token, and a request that touches a second is in flight in all of it.
    """
    if not good:
        return 0.0, 0
    begin_ns = min(request.sent_mono_ns for request in good)
    token_s = [(instant - begin_ns) // NS_PER_S for request in good for instant in request.choice_mono_ns]
    in_flight: Counter[int] = Counter()
    for request in good:
        first_s, last_s = (
            (instant - begin_ns) // NS_PER_S for instant in (request.sent_mono_ns, request.choice_mono_ns[-1])
        )
        in_flight.update(range(first_s, last_s + 1))
    return float(max(Counter(token_s).values())), max(in_flight.values())


def _summary(name: str, values_s: Sequence[float]) -> dict[str, float]:
    values_ms = np.asarray(values_s or [0.0]) * 1e3  # vLLM's own stand-in for an empty sample
    return {
        f"mean_{name}_ms": float(values_ms.mean()),
        f"median_{name}_ms": float(np.median(values_ms)),
        f"std_{name}_ms": float(values_ms.std()),
        **{f"p{p}_{name}_ms": float(np.percentile(values_ms, p)) for p in PERCENTILES},
    }


def _since_sent_s(request: SeenRequest, position: int) -> float:
    """Return the time from the send to a chunk; 0.0 where none came, as vLLM has it."""
    if not request.choice_mono_ns:
        return 0.0
    return (request.choice_mono_ns[position] - request.sent_mono_ns) / NS_PER_S


def _rate(amount: int, duration_s: float) -> float:
    return amount / duration_s if duration_s > 0 else 0.0
