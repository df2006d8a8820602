"""KV transfer of a disaggregated cell: that it happened, how long it took, how fast (docs/metrics.md#kv-transfer)."""

from collections.abc import Iterator, Mapping, Sequence

from llmdvfs.analysis.distribution import distribution
from llmdvfs.analysis.engine_metrics import increase
from llmdvfs.analysis.transfer.link import transfer_link
from llmdvfs.analysis.transfer.times import carried_bytes_per_s, transfer_times_s
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.readings import Readings
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Distribution, TransferResult
from llmdvfs.records.run import RunRecord

TTFT_PARTS = ("queue", "prefill", "transfer", "first_decode", "residual")


def transfer_result(
    run: RunRecord,
    requests: Sequence[RequestRecord],
    proxy: Mapping[str, ProxyRecord],
    intervals: Sequence[PhaseInterval],
    before: MetricsRecord,
    after: MetricsRecord,
    readings: Readings,
) -> TransferResult | None:
    """Return what is known of the cell's KV transfers; None where the architecture has none.

    requests: those that the latencies are taken from (`scheduled_in_window`), so that the parts of the TTFT belong to
    the TTFT that is printed. proxy: stamps by request id. before, after: the servers' counters, which cover the whole
    load and its warm-up.
    """
    decoders = [instance.name for instance in run.server_start.instances if instance.role == "decode"]
    if not decoders:
        return None
    external = increase(
        before, after, "vllm:prompt_tokens_by_source_total", instances=decoders, source="external_kv_transfer"
    )
    if external is None:  # vLLM 0.12 to 0.15 count it under another name
        external = increase(before, after, "vllm:external_prefix_cache_hits_total", instances=decoders)
    prompt_tokens = increase(before, after, "vllm:prompt_tokens_total", instances=decoders)
    times = transfer_times_s(requests, intervals)
    size_of = {
        request.index: float(request.num_prompt_tokens * run.kv_bytes_per_token)
        for request in requests
        if request.ok and request.num_prompt_tokens is not None and run.kv_bytes_per_token is not None
    }
    sizes = list(size_of.values())
    connector_s = _nixl_total(run, "xfer_time_seconds", before, after)
    moved, pieces = (_nixl_total(run, name, before, after) for name in ("bytes_transferred", "num_descriptors"))
    total_s = sum(times.values()) if connector_s is None else connector_s
    return TransferResult(
        method="none" if not times else "upper_bound_from_stamps" if connector_s is None else "connector_metric",
        time_s=distribution(list(times.values())),
        bytes_per_request=distribution(sizes),
        rate_bytes_per_s=_rate(run, moved, external, total_s, connector_s is not None, sizes),
        external_kv_tokens=external,
        decode_prompt_tokens=prompt_tokens,
        ttft_parts_s=_ttft_parts(requests, proxy, times),
        piece_bytes=moved / pieces if moved and pieces else None,
        moved_bytes=moved,
        link=transfer_link(run, readings),
        carried_bytes_per_s=carried_bytes_per_s(size_of, intervals),
    )


def _nixl_total(run: RunRecord, name: str, before: MetricsRecord, after: MetricsRecord) -> float | None:
    """Return the sum of one of NIXL's histograms, which it keeps on the side that starts the transfer."""
    for role in ("decode", "prefill"):
        names = [instance.name for instance in run.server_start.instances if instance.role == role]
        total = increase(before, after, f"vllm:nixl_{name}_sum", instances=names)
        if total:
            return total
    return None


def _rate(
    run: RunRecord,
    moved: float | None,
    external: float | None,
    total_s: float,
    counts_warmup: bool,
    sizes: Sequence[float],
) -> float | None:
    """Return bytes over time; the connector's time covers the warm-up, so the bytes must cover it too.

    The connector's own bytes (`moved`) come before those that config.json foresees: they are right for any model.
    """
    if total_s <= 0:
        return None
    if not counts_warmup:
        return sum(sizes) / total_s if sizes else None
    if moved is not None:
        return moved / total_s
    if external is None or run.kv_bytes_per_token is None:
        return None
    return external * run.kv_bytes_per_token / total_s


def _ttft_parts(
    requests: Sequence[RequestRecord], proxy: Mapping[str, ProxyRecord], transfer_s: Mapping[int, float]
) -> dict[str, Distribution]:
    rows = list(_parts_of_each(requests, proxy, transfer_s))
    return {name: distribution([row[name] for row in rows]) for name in TTFT_PARTS} if rows else {}


def _parts_of_each(
    requests: Sequence[RequestRecord], proxy: Mapping[str, ProxyRecord], transfer_s: Mapping[int, float]
) -> Iterator[dict[str, float]]:
    """Yield the parts [s] of each successful request's TTFT from the send; they add up to it."""
    for request in requests:
        stamps = proxy.get(request.request_id)
        if not request.ok or stamps is None or request.sent_mono_ns is None or not request.chunk_mono_ns:
            continue
        sent, done, first = stamps.prefill_sent_mono_ns, stamps.prefill_done_mono_ns, stamps.first_byte_mono_ns
        if sent is None or done is None or first is None:
            continue
        parts = {
            "queue": (sent - stamps.received_mono_ns) / NS_PER_S,
            "prefill": (done - sent) / NS_PER_S,
            "transfer": transfer_s[request.index],
        }
        parts["first_decode"] = (first - done) / NS_PER_S - parts["transfer"]
        ttft_s = (request.chunk_mono_ns[0] - request.sent_mono_ns) / NS_PER_S
        yield {**parts, "residual": ttft_s - sum(parts.values())}
