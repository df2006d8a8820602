"""Judges a finished exchange: its tokens, its outcome, and the cause of a failure (pure)."""

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

from llmdvfs.load.wire.completion import Completion, quoted, read_completion
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.records.request import Outcome, RequestRecord

TokenCountSource = Literal["token_ids", "continuous_usage", "usage", "tokenizer", "finish_reason"]
CountTokens = Callable[[str], int]
ENDED_BY_SERVER = frozenset({"abort", "aborted", "cancelled", "error"})
"""Finish reasons of an answer that the server gave up, however many tokens it has."""


def request_record(exchange: Exchange, count_tokens: CountTokens | None = None) -> RequestRecord:
    """Return the record of one exchange.

    count_tokens: counts a text's tokens with the model's tokenizer, for servers that count nothing themselves.
    """
    answer = read_completion(exchange.reads)
    chunks, source = _tokens(answer, exchange.num_output_tokens, count_tokens)
    total = sum(num for _, num in chunks) if source is not None else None
    outcome, error = _outcome(exchange, answer, total)
    return RequestRecord(
        request_id=exchange.request_id,
        index=exchange.index,
        scheduled_mono_ns=exchange.scheduled_mono_ns,
        sent_mono_ns=exchange.sent_mono_ns,
        headers_mono_ns=answer.headers_mono_ns,
        chunk_mono_ns=tuple(instant for instant, _ in chunks),
        chunk_num_tokens=tuple(num for _, num in chunks),
        end_mono_ns=exchange.end_mono_ns,
        num_prompt_tokens_requested=exchange.num_prompt_tokens,
        num_output_tokens_requested=exchange.num_output_tokens,
        num_prompt_tokens=answer.num_prompt_tokens,
        num_output_tokens=total,
        num_cached_prompt_tokens=answer.num_cached_prompt_tokens,
        outcome=outcome,
        error=error,
        http_status=answer.status,
        finish_reason=answer.finish_reason,
        output_sha256=_digest(answer) if chunks else None,
        wave=exchange.wave,
        token_count_source=source,
    )


def _tokens(
    answer: Completion, num_requested: int, count_tokens: CountTokens | None
) -> tuple[list[tuple[int, int]], TokenCountSource | None]:
    """Return (instant, tokens) of every chunk that carried some, and who counted. `usage` overrules what disagrees."""
    with_text = [chunk.mono_ns for chunk in answer.chunks if chunk.text]
    usage_total = answer.num_output_tokens
    if usage_total == 0 and with_text:  # a server that fills the field with zeros has not counted
        usage_total = None
    counted: list[tuple[TokenCountSource, list[int]]] = [
        ("token_ids", [len(chunk.token_ids or ()) for chunk in answer.chunks]),
        ("continuous_usage", _running_counts(answer)),
    ]
    for source, nums in counted:
        if nums and sum(nums) > 0 and usage_total in (None, sum(nums)):
            return [(chunk.mono_ns, num) for chunk, num in zip(answer.chunks, nums, strict=True) if num > 0], source
    if usage_total is not None:
        return _spread(usage_total, _carriers(answer, usage_total)), "usage"
    if count_tokens is not None and with_text:
        return _spread(count_tokens("".join(chunk.text for chunk in answer.chunks)), with_text), "tokenizer"
    # `length` alone proves nothing: it is also said where the model's context was full long before. A chunk with text
    # has a token at least, so with as many of them as were asked for, each has one.
    if answer.finish_reason == "length" and len(with_text) == num_requested:
        return _spread(num_requested, with_text), "finish_reason"
    return [(instant, 0) for instant in with_text], None


def _running_counts(answer: Completion) -> list[int]:
    """Return the tokens of each chunk by continuous usage; empty where that is not what the server sends.

    A count that does not rise is no count: some servers fill `usage` with zeros and tell the truth in the last chunk,
    which would make it the first with a token.
    """
    counts = [chunk.num_tokens_so_far for chunk in answer.chunks]
    told = [count for count in counts if count is not None]
    if len(told) < len(counts):
        return []
    nums = [after - before for before, after in pairwise([0, *told])]
    does_run = all(num > 0 or (num == 0 and not chunk.text) for num, chunk in zip(nums, answer.chunks, strict=True))
    return nums if does_run else []


def _carriers(answer: Completion, total: int) -> list[int]:
    """Return the instants of the chunks over which a total is spread: those with text.

    The last chunk is one of them without text too where it makes the number right, or where no other one has text.
    """
    with_text = [chunk.mono_ns for chunk in answer.chunks if chunk.text]
    with_last = [chunk.mono_ns for chunk in answer.chunks if chunk.text or chunk.is_last]
    return with_last if not with_text or len(with_last) == total else with_text


def _spread(total: int, instants: Sequence[int]) -> list[tuple[int, int]]:
    """Return the instants with `total` tokens spread evenly over them, the first one never without."""
    num = len(instants)
    bounds = [-(-position * total // num) for position in range(num + 1)] if num else [0]
    nums = [after - before for before, after in pairwise(bounds)]
    return [(instant, count) for instant, count in zip(instants, nums, strict=True) if count > 0]


def _outcome(exchange: Exchange, answer: Completion, num_tokens: int | None) -> tuple[Outcome, str | None]:
    if exchange.failure == "timeout":
        return "timeout", "; ".join(filter(None, (exchange.cause, answer.error)))
    if exchange.failure is not None and exchange.hops is not None and not exchange.hops.is_streamed:
        # What was read, if anything, is prefill's: no answer of this request.
        if exchange.failure == "handover":
            return "stream_error", f"{exchange.cause}: {quoted(answer.body) or 'no body'}"
        return "disconnected", exchange.cause
    if answer.status is not None and answer.status != 200:
        said = f"HTTP {answer.status}: {quoted(answer.body) or 'no body'}"
        return "http_error", said if exchange.failure or not exchange.cause else f"{exchange.cause}; {said}"
    if (encoding := answer.headers.get("content-encoding", "identity")) != "identity":
        return "stream_error", (
            f"the answer is compressed (Content-Encoding: {encoding}), although it was asked not to be, so its tokens "
            "have no instants of their own; switch compression off in the server, or in the gateway before it"
        )
    if answer.error is not None:
        return "stream_error", answer.error
    if exchange.failure is not None and not _is_whole(exchange, answer):
        return "disconnected", exchange.cause
    if not answer.chunks or num_tokens == 0:
        return "empty", f"the answer has no token in it: {quoted(answer.body) or 'no body'}"
    if answer.finish_reason in ENDED_BY_SERVER:
        return "stream_error", (
            f"the server ended the answer with finish reason {answer.finish_reason!r} after "
            f"{'an unknown number of' if num_tokens is None else num_tokens} tokens; see its log"
        )
    if not answer.done and answer.finish_reason is None:
        return "stream_error", "the stream ended without a finish reason and without [DONE]"
    if num_tokens is None:
        return (
            "wrong_length",
            "the number of output tokens is unknown: no token ids, no usage, no tokenizer, and not one chunk a token "
            "up to finish reason 'length'",
        )
    if num_tokens != exchange.num_output_tokens:
        return "wrong_length", (
            f"{num_tokens} output tokens, asked for {exchange.num_output_tokens}, finish {answer.finish_reason}: "
            "does the server know ignore_eos and min_tokens, and is its context long enough?"
        )
    return "ok", None


def _is_whole(exchange: Exchange, answer: Completion) -> bool:
    """Return whether the answer came to its end, though the connection ended too."""
    has_length = "content-length" in answer.headers or "chunked" in answer.headers.get("transfer-encoding", "").lower()
    return (
        answer.done
        or answer.complete
        or (exchange.failure == "closed" and answer.status is not None and not has_length)
    )


def _digest(answer: Completion) -> str:
    ids = [token for chunk in answer.chunks for token in chunk.token_ids or ()]
    content = " ".join(map(str, ids)) if ids else "".join(chunk.text for chunk in answer.chunks)
    return hashlib.sha256(content.encode()).hexdigest()
