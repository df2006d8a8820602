"""One request as the client saw it: `requests.jsonl`, one record a line."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "http_error", "stream_error", "timeout", "disconnected", "empty", "wrong_length"]


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request. Instants are CLOCK_MONOTONIC nanoseconds of the host; None: it did not happen, or was not told."""

    request_id: str
    """Sent as X-Request-Id; the proxy's stamps carry the same."""
    index: int
    """Position in the plan of the load, from 0."""
    scheduled_mono_ns: int
    sent_mono_ns: int | None
    """When the request's bytes were written to the socket."""
    headers_mono_ns: int | None
    chunk_mono_ns: tuple[int, ...]
    """When each chunk that carried tokens arrived at the socket."""
    chunk_num_tokens: tuple[int, ...]
    """Number of tokens in each of these chunks: as many values as chunk_mono_ns, with the sum num_output_tokens."""
    end_mono_ns: int | None
    """Last byte, or the instant of the failure."""
    num_prompt_tokens_requested: int | None
    num_output_tokens_requested: int
    num_prompt_tokens: int | None
    """Number of prompt tokens, by the server's `usage`; None: it gives none."""
    num_output_tokens: int | None
    """From the server's `usage` where it gives one; see token_count_source."""
    num_cached_prompt_tokens: int | None
    outcome: Outcome
    error: str | None
    """The cause in words, for every outcome but ok."""
    http_status: int | None
    finish_reason: str | None
    output_sha256: str | None
    """Of the output token ids (or of the text where the server gives no ids): equal outputs have equal digests."""
    wave: int | None = None
    token_count_source: Literal["token_ids", "continuous_usage", "usage", "tokenizer", "finish_reason"] | None = None
    """Where the token counts come from, best first; the last three say nothing of single chunks, so the tokens are
    spread evenly over the chunks. None: no count could be told."""

    @property
    def ok(self) -> bool:
        """Whether the request succeeded, and so may enter the latency figures."""
        return self.outcome == "ok"
