"""Request records as the load generator writes them."""

from collections.abc import Sequence

from llmdvfs.records.request import RequestRecord

NS_PER_MS = 1_000_000


def ok_request(
    index: int,
    *,
    scheduled_mono_ns: int,
    sent_mono_ns: int,
    chunk_mono_ns: Sequence[int],
    end_mono_ns: int,
    chunk_num_tokens: Sequence[int] | None = None,
    num_prompt_tokens: int = 8,
) -> RequestRecord:
    """Return a request that was answered as asked; without `chunk_num_tokens` every chunk is one token."""
    counts = tuple(chunk_num_tokens) if chunk_num_tokens is not None else (1,) * len(chunk_mono_ns)
    return RequestRecord(
        request_id=f"r{index}",
        index=index,
        scheduled_mono_ns=scheduled_mono_ns,
        sent_mono_ns=sent_mono_ns,
        headers_mono_ns=None,
        chunk_mono_ns=tuple(chunk_mono_ns),
        chunk_num_tokens=counts,
        end_mono_ns=end_mono_ns,
        num_prompt_tokens_requested=num_prompt_tokens,
        num_output_tokens_requested=sum(counts),
        num_prompt_tokens=num_prompt_tokens,
        num_output_tokens=sum(counts),
        num_cached_prompt_tokens=None,
        outcome="ok",
        error=None,
        http_status=200,
        finish_reason="length",
        output_sha256=None,
    )


def seen(index: int, sent_ms: float, tokens_ms: list[float], end_ms: float) -> RequestRecord:
    """Return a request that succeeded, sent when it was to be; instants in milliseconds."""
    return ok_request(
        index,
        scheduled_mono_ns=int(sent_ms * NS_PER_MS),
        sent_mono_ns=int(sent_ms * NS_PER_MS),
        chunk_mono_ns=[int(token * NS_PER_MS) for token in tokens_ms],
        end_mono_ns=int(end_ms * NS_PER_MS),
    )
