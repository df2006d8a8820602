"""One request as the proxy saw it: `proxy.jsonl`, one record a line."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyRecord:
    """Instants are CLOCK_MONOTONIC nanoseconds of the proxy's host; None: it did not come to that."""

    request_id: str
    received_mono_ns: int
    prefill_instance: str | None
    prefill_sent_mono_ns: int | None
    prefill_done_mono_ns: int | None
    """The whole answer to the prefill request has been read."""
    decode_instance: str | None
    """The instance that streams the answer (`disaggregated`: decode; `replicated`: the chosen one)."""
    decode_sent_mono_ns: int | None
    headers_mono_ns: int | None
    first_byte_mono_ns: int | None
    last_byte_mono_ns: int | None
    status: int | None
    """HTTP status given to the client; 499 where the client went away."""
    error: str | None
