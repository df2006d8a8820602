"""Reads from the bytes of an answer, after the run, what it says: tokens, instants, counts, errors (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httptools
import orjson

from llmdvfs.load.wire.exchange import FINAL_STATUS
from llmdvfs.load.wire.sse import EventReader

MAX_QUOTED_BYTES = 300  # of an error body, in a cause


@dataclass(slots=True)
class Chunk:
    """One event of a stream with a choice in it."""

    mono_ns: int
    """Instant of the read that completed the event."""
    text: str
    """Content, reasoning and tool calls together."""
    token_ids: list[int] | None
    """Ids of its tokens; None where the server gives none."""
    num_tokens_so_far: int | None
    """Output tokens so far, by the `usage` in the same event; None where the server does not count as it goes."""
    is_last: bool = False
    """Whether it gives the finish reason; it may then carry a token without text (end of text, half a character)."""


@dataclass(slots=True)
class Completion:
    """Everything that the bytes of one answer say."""

    status: int | None = None
    headers_mono_ns: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    """Whether the HTTP message came to its end."""
    chunks: list[Chunk] = field(default_factory=list)
    num_prompt_tokens: int | None = None
    """From the answer's `usage`, as are the next two; None: it has none."""
    num_output_tokens: int | None = None
    num_cached_prompt_tokens: int | None = None
    finish_reason: str | None = None
    done: bool = False
    """Whether the event `[DONE]` came, which ends a stream."""
    error: str | None = None
    """What an error event inside the stream says, or why an event cannot be read; None: neither occurred."""
    body: bytes = b""
    """First bytes of an answer that is not an event stream."""


def read_completion(reads: Iterable[tuple[int, bytes]]) -> Completion:
    """Return what the reads of one exchange say; it raises nothing, whatever is in them.

    reads: (instant [mono ns], bytes) in the order of reading.
    """
    reader = _CompletionReader()
    parser = reader.parser = httptools.HttpResponseParser(reader)
    answer = reader.answer
    for instant, data in reads:
        reader.now = instant
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            answer.error = answer.error or f"not HTTP: {error} in {data[:MAX_QUOTED_BYTES]!r}"
            break
    return answer


class _CompletionReader:
    """The HTTP parser's callbacks, which build a Completion; an interim answer leaves nothing behind."""

    parser: httptools.HttpResponseParser

    def __init__(self) -> None:
        self.answer = Completion()
        self.now = 0
        self._events = EventReader()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, by its name in lower case."""
        self.answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note when status and headers were there."""
        status = self.parser.get_status_code()
        if status < FINAL_STATUS:
            self.answer.headers.clear()
        else:
            self.answer.status, self.answer.headers_mono_ns = status, self.now

    def on_body(self, body: bytes) -> None:
        """Cut a piece of the body into events, and take in each."""
        answer = self.answer
        if not answer.chunks and len(answer.body) < MAX_QUOTED_BYTES:
            answer.body += body[:MAX_QUOTED_BYTES]
        for event in self._events.feed(body):
            _take_event(answer, event, self.now)

    def on_message_complete(self) -> None:
        """Note that the message came to its end."""
        self.answer.complete = self.answer.status is not None


def _take_event(answer: Completion, event: bytes, now: int) -> None:
    event = event.strip()  # some servers write "[DONE] ", or an event without data to keep the connection alive
    if not event:
        return
    if event == b"[DONE]":
        answer.done = True
        return
    try:
        data = orjson.loads(event)
        if _is_error(data):
            answer.error = answer.error or f"error event: {quoted(event)}"
            return
        so_far = None
        if usage := data.get("usage"):
            so_far = _whole_number(usage.get("completion_tokens"))
            answer.num_output_tokens = _kept(so_far, answer.num_output_tokens)
            answer.num_prompt_tokens = _kept(_whole_number(usage.get("prompt_tokens")), answer.num_prompt_tokens)
            details = usage.get("prompt_tokens_details") or {}
            num_cached = _whole_number(details.get("cached_tokens"))
            answer.num_cached_prompt_tokens = _kept(num_cached, answer.num_cached_prompt_tokens)
        if choices := data.get("choices"):
            choice = choices[0]
            token_ids, reason = choice.get("token_ids"), _words(choice.get("finish_reason"))
            ids = None if token_ids is None else list(token_ids)
            answer.chunks.append(Chunk(now, _text(choice), ids, so_far, reason is not None))
            answer.finish_reason = reason or answer.finish_reason
    except (ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
        answer.error = answer.error or f"event that cannot be read ({error!r}): {event[:MAX_QUOTED_BYTES]!r}"


def quoted(said: bytes) -> str:
    """Return the beginning of what a server said, for a message, without characters that would steer a terminal."""
    text = said[:MAX_QUOTED_BYTES].decode(errors="replace")
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _is_error(data: dict[str, Any]) -> bool:
    """Return whether an event tells of a failure: in OpenAI's form, in vLLM's older one, or with a bare message."""
    is_bare = "message" in data and "choices" not in data
    return data.get("error") is not None or data.get("object") == "error" or is_bare


def _kept(now: int | None, before: int | None) -> int | None:
    """Return the newer of two counts: what was told once is neither forgotten nor, by a 0, taken back."""
    return now or (now if before is None else before)


def _whole_number(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return _whole_number(int(value))
    if value is not None and (not isinstance(value, int) or value < 0):
        raise TypeError(f"expected a number of tokens, seen {value!r}")
    return value


def _words(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"expected a finish reason, seen {value!r}")
    return value


def _text(choice: dict[str, Any]) -> str:
    if "text" in choice:
        return "" + (choice["text"] or "")  # a TypeError for anything but a text
    delta = choice.get("delta") or {}
    # Some versions fill both names of the reasoning with the same text.
    text = "" + (delta.get("content") or "") + (delta.get("reasoning_content") or delta.get("reasoning") or "")
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        text += (function.get("name") or "") + (function.get("arguments") or "")
    return text
