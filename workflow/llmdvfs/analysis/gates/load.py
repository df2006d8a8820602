"""Gates on what was asked and answered: whether it was the load that was meant, and reached the server as planned.

Each function judges one thing and returns its gate; none raises, and none drops a result (docs/metrics.md#gates).
"""

from collections.abc import Sequence

from llmdvfs.analysis.gates.limits import GateLimits
from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import CalibrationResult
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Gate, LatencyResult, ThroughputResult, TransferResult, Window
from llmdvfs.records.spec import DeploymentSpec, WorkloadSpec


def window_length(window: Window, has_power: bool, limits: GateLimits) -> Gate:
    """Judge whether the window is long enough for the GPU's energy counter, which is noisy over short ones.

    has_power: whether there is any energy to take from it; without, the gate is not applicable.
    """
    expected = f"at least {limits.min_window_s:g} s"
    if not has_power:
        return not_applicable("window_length", "no power data", expected=expected)
    length_s = window.end_s - window.begin_s
    remedy = "raise num_requests or duration_s of the workload"
    return verdict(
        "window_length", length_s >= limits.min_window_s, seen=f"{length_s:.2f} s", expected=expected, remedy=remedy
    )


def steady_window(window: Window, workload: WorkloadSpec) -> Gate:
    """Judge whether a steady state was found; loads that change by design (waves, ramps) are not judged."""
    expected = "a steady window"
    if arrival_kind(workload.arrival.kind).never_steady is not None:
        return not_applicable(
            "steady_window", f"arrivals by {workload.arrival.kind} have no steady state", expected=expected
        )
    remedy = "make the run longer than several request durations, and the load lighter than saturation"
    return verdict("steady_window", window.kind == "steady", seen=window.reason, expected=expected, remedy=remedy)


def failed_requests(throughput: ThroughputResult, workload: WorkloadSpec) -> Gate:
    """Judge whether the share of failed requests is within the workload's limit."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(throughput.outcomes.items()))
    return verdict(
        "failed_requests",
        throughput.failed_fraction <= workload.max_failed_fraction,
        seen=f"{throughput.failed_fraction:.2%} ({outcomes})",
        expected=f"at most {workload.max_failed_fraction:.2%}",
        remedy="read `error` in requests.jsonl and the servers' logs",
    )


def token_counts(requests: Sequence[RequestRecord]) -> Gate:
    """Judge whether every answered request had as many prompt and output tokens as were asked for.

    A server that stops early, or that adds tokens to the prompt, does other work than the one that was planned.
    """
    expected = "prompt and output tokens as requested"
    answered = [r for r in requests if r.outcome in ("ok", "wrong_length")]
    counted = [r for r in answered if r.num_output_tokens is not None]
    if not counted:
        return not_applicable("token_counts", "the server told no token counts", expected=expected)
    wrong = [r for r in counted if _wrong_prompt(r) or r.num_output_tokens != r.num_output_tokens_requested]
    seen = f"{len(wrong)} of {len(counted)} requests differ"
    if wrong:
        first = wrong[0]
        seen += (
            f"; request {first.index}: prompt {first.num_prompt_tokens} of {first.num_prompt_tokens_requested}, "
            f"output {first.num_output_tokens} of {first.num_output_tokens_requested}"
        )
    remedy = "check that the endpoint honours ignore_eos and min_tokens, and that prompts are sent as token ids"
    return verdict("token_counts", not wrong, seen=seen, expected=expected, remedy=remedy)


def achieved_rate(requests: Sequence[RequestRecord], workload: WorkloadSpec, limits: GateLimits) -> Gate:
    """Judge whether answers left as fast as requests were offered, in loads whose rate does not follow the server.

    Where they did not, a queue grew throughout, and latencies say how long the run was, not how fast the server is.
    """
    expected = f"at least {limits.min_achieved_rate_fraction:.0%} of the offered rate"
    if not arrival_kind(workload.arrival.kind).has_offered_rate:
        return not_applicable(
            "achieved_rate", f"arrivals by {workload.arrival.kind} follow the server", expected=expected
        )
    ends = [r.end_mono_ns for r in requests if r.ok and r.end_mono_ns is not None]
    offered_rps = _rate_rps([r.scheduled_mono_ns for r in requests])
    achieved_rps = _rate_rps(ends)
    if offered_rps is None:
        return not_applicable("achieved_rate", f"{len(requests)} requests make no rate", expected=expected)
    fraction = (achieved_rps or 0.0) / offered_rps
    return verdict(
        "achieved_rate",
        fraction >= limits.min_achieved_rate_fraction,
        seen=f"{achieved_rps or 0.0:.3g} of {offered_rps:.3g} requests/s ({fraction:.0%})",
        expected=expected,
        remedy="lower the rate, or make the run longer: the server does not keep up",
    )


def client_error(calibration: CalibrationResult | None, latency: LatencyResult, limits: GateLimits) -> Gate:
    """Judge whether the client's own error, as calibrated at this load, is small beside what it measured."""
    limit = limits.max_client_error_fraction
    expected = f"the client's error at most {limit:.0%} of the mean TTFT and of the gaps' p99"
    if calibration is None:
        return not_applicable("client_error", "the client was not calibrated at this load", expected=expected)
    shares = {
        "TTFT": _share(calibration.ttft_error_s, latency.ttft_from_sent_s.mean),
        "gap p99": _share(calibration.gap_p99_error_s, latency.chunk_gap_s.p99),
    }
    known = {name: share for name, share in shares.items() if share is not None}
    seen = ", ".join(f"{share:.1%} of {name}" for name, share in known.items()) or "nothing to compare with"
    remedy = "give the client a core of its own, or spread the load over fewer streams"
    return verdict(
        "client_error", all(share <= limit for share in known.values()), seen=seen, expected=expected, remedy=remedy
    )


def _share(error_s: float | None, measured_s: float | None) -> float | None:
    return None if error_s is None or not measured_s else abs(error_s) / measured_s


def client_lateness(latency: LatencyResult, limits: GateLimits) -> Gate:
    """Judge whether the client sent on time, by the p99 of (sent - scheduled), or the largest of fewer than 100."""
    late, ttft_s = latency.lateness_s, latency.ttft_s.p50
    late_s, of = (late.max, "largest") if late.p99 is None else (late.p99, "p99 of")
    limit_s = max(limits.max_lateness_s, limits.max_lateness_of_ttft_fraction * (ttft_s or 0.0))
    expected = f"{of} sent - scheduled at most {limit_s * 1e3:.1f} ms"
    if late_s is None:
        return not_applicable("client_lateness", "no request was sent", expected=expected)
    remedy = "give the client a core of its own, or spread the load over fewer streams"
    return verdict(
        "client_lateness", late_s <= limit_s, seen=f"{late_s * 1e3:.1f} ms", expected=expected, remedy=remedy
    )


def latency_tail(window: Window, latency: LatencyResult, limits: GateLimits) -> Gate:
    """Judge whether the window can show the p99 of E2E that the result claims, and no time-out hides it."""
    expected = f"a window of at least {limits.min_window_per_e2e_p99:g} x the p99 of E2E, which no time-out reaches"
    e2e = latency.e2e_s
    if e2e.p99 is None:
        return not_applicable("latency_tail", f"no p99 is claimed of {e2e.n} requests", expected=expected)
    length_s = window.end_s - window.begin_s
    seen = f"p99 {e2e.p99:.3g} s in a window of {length_s:.3g} s, {e2e.num_at_least} of {e2e.n} timed out"
    passed = length_s >= limits.min_window_per_e2e_p99 * e2e.p99 and e2e.num_at_least <= 0.01 * e2e.n
    remedy = "raise duration_s to several times the longest request; where requests timed out, p99 is a lower bound"
    return verdict("latency_tail", passed, seen=seen, expected=expected, remedy=remedy)


def disaggregation(
    transfer: TransferResult | None, deployment: DeploymentSpec, num_prompts: int, limits: GateLimits
) -> Gate:
    """Judge whether decode took its prompts from the transferred cache rather than compute them again.

    num_prompts: all that the servers' counters saw between the two scrapes, those of the warm-up included.
    """
    expected = "prompts of decode taken from the transferred KV cache, but for what the connector leaves to decode"
    if deployment.architecture != "disaggregated":
        return not_applicable("disaggregation", f"architecture {deployment.architecture}", expected=expected)
    if transfer is None or transfer.external_kv_tokens is None or not transfer.decode_prompt_tokens:
        seen, passed = "the decode servers did not tell where their prompt tokens came from", False
    else:
        recomputed = transfer.decode_prompt_tokens - transfer.external_kv_tokens
        allowed = max(
            limits.max_recomputed_fraction * transfer.decode_prompt_tokens,
            _left_to_decode(deployment, limits) * num_prompts,
        )
        seen = f"{recomputed:.0f} of {transfer.decode_prompt_tokens:.0f} prompt tokens recomputed by decode"
        passed = recomputed <= allowed and transfer.external_kv_tokens > 0
    remedy = "check the KV connector in the logs of both servers: decode is not using the prefill's cache"
    return verdict("disaggregation", passed, seen=seen, expected=expected, remedy=remedy)


def _left_to_decode(deployment: DeploymentSpec, limits: GateLimits) -> float:
    """Return the prompt tokens of a request that decode computes itself by design."""
    block_size = deployment.engine["decode"].block_size
    # The file connector keeps whole blocks only, and never the last token: up to one block is computed again.
    return block_size if deployment.connector == "example" and block_size else limits.max_recomputed_per_request


def _wrong_prompt(request: RequestRecord) -> bool:
    asked, seen = request.num_prompt_tokens_requested, request.num_prompt_tokens
    return asked is not None and seen is not None and seen != asked


def _rate_rps(instants_mono_ns: Sequence[int]) -> float | None:
    """Return the mean rate of events between the first and the last."""
    if len(instants_mono_ns) < 2:
        return None
    span_s = (max(instants_mono_ns) - min(instants_mono_ns)) / NS_PER_S
    return (len(instants_mono_ns) - 1) / span_s if span_s > 0 else None
