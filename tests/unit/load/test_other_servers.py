"""Streams of other servers, written by us in the layout that each of them has in its source or documents.

Read n comes at instant 1000 + n. What is shown: that each token has the instant of its own event, that counts are the
server's, and that a failure keeps the server's own words.
"""

import gzip
import json
from typing import Any

import pytest

from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.outcome import request_record
from llmdvfs.records.request import RequestRecord

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def event(data: dict[str, Any], space: str = " ") -> bytes:
    return f"data:{space}{json.dumps(data)}\n\n".encode()


def record_of(*pieces: bytes, head: bytes = HEAD, num_output: int = 3) -> RequestRecord:
    reads = [(1000 + number, piece) for number, piece in enumerate((head, *pieces))]
    return request_record(Exchange(0, "id", None, 5, num_output, 1, 2, reads, 5000, "closed", "cause"))


def completion(text: str, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]} | more


def chat(content: str | None, finish: str | None = None, role: str | None = "assistant", **more: Any) -> dict[str, Any]:
    delta = {"role": role, "content": content}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]} | more


STREAMS: dict[str, list[bytes]] = {
    # SGLang: usage is null until a chunk without choices; the finish has an event of its own
    "SGLang completions": [
        *(event(completion(text, usage=None)) for text in ("a", "b", "c")),
        event(completion("", "length", usage=None)),
        event({"id": "cmpl-1", "object": "text_completion", "choices": [], "usage": USAGE}),
        DONE,
    ],
    # llama.cpp: usage and its own timings stand in the finish event, beside a choice without text
    "llama.cpp completions": [
        *(event(completion(text, system_fingerprint="b6000")) for text in ("a", "b", "c")),
        event(completion("", "length", usage=USAGE, timings={"prompt_n": 5, "predicted_per_second": 100.0})),
        DONE,
    ],
    # TGI: no space behind `data:`, comments to keep the connection alive
    "TGI completions": [
        *(event(completion(text, system_fingerprint="3.3.0-native"), space="") for text in ("a", "b")),
        b":\n\n" + event(completion("c", "length"), space=""),
        event({"object": "text_completion", "id": "", "created": 1, "choices": [], "usage": USAGE}, space=""),
        b"data:[DONE]\n\n",
    ],
    # TensorRT-LLM (trtllm-serve): a running count in every event
    "TensorRT-LLM completions": [
        *(
            event(completion(text, usage=USAGE | {"completion_tokens": number}))
            for number, text in enumerate(("a", "b"), 1)
        ),
        event(completion("c", "length", usage=USAGE)),
        event({"id": "cmpl-1", "object": "text_completion", "choices": [], "usage": USAGE}),
        DONE,
    ],
    # vLLM behind a gateway that puts CRLF line ends and an event name before each of them
    "gateway with event names": [
        *(b"event: message\r\n" + event(completion(text)).replace(b"\n", b"\r\n") for text in ("a", "b")),
        b"event: message\r\n" + event(completion("c", "length", usage=USAGE)).replace(b"\n", b"\r\n"),
        DONE,
    ],
}
CHATS: dict[str, list[bytes]] = {
    # Ollama: the role stands in every event
    "Ollama chat": [
        *(event(chat(text, system_fingerprint="fp_ollama")) for text in ("a", "b", "c")),
        event(chat("", "length", system_fingerprint="fp_ollama")),
        event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}),
        DONE,
    ],
    "llama.cpp chat": [  # its first event has the role and no content
        event(chat(None)),
        *(event(chat(text, role=None)) for text in ("a", "b", "c")),
        event({"choices": [{"finish_reason": "length", "index": 0, "delta": {}}], "usage": USAGE}),
        DONE,
    ],
    "SGLang chat": [
        event(chat("")),
        *(event(chat(text, role=None)) for text in ("a", "b", "c")),
        event(chat(None, "length", role=None)),
        event({"choices": [], "usage": USAGE}),
        DONE,
    ],
}


@pytest.mark.parametrize("stream", list(STREAMS.values()), ids=list(STREAMS))
def test_every_token_of_a_completion_has_the_instant_of_its_event(stream: list[bytes]) -> None:
    record = record_of(*stream)
    assert record.outcome == "ok"
    assert record.token_count_source in ("usage", "continuous_usage")
    assert (record.chunk_mono_ns, record.chunk_num_tokens) == ((1001, 1002, 1003), (1, 1, 1))
    assert (record.num_prompt_tokens, record.num_output_tokens) == (5, 3)


@pytest.mark.parametrize(
    ("stream", "instants"),
    list(zip(CHATS.values(), [(1001, 1002, 1003), (1002, 1003, 1004), (1002, 1003, 1004)], strict=True)),
    ids=list(CHATS),
)
def test_an_event_with_a_role_and_no_content_is_no_token(stream: list[bytes], instants: tuple[int, ...]) -> None:
    record = record_of(*stream)
    assert (record.outcome, record.chunk_mono_ns, record.num_output_tokens) == ("ok", instants, 3)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (  # TGI: the error is a text with a kind beside it
            event({"error": "Request failed during generation: out of memory", "error_type": "generation"}),
            "out of memory",
        ),
        (event({"error": {"code": 500, "message": "context shift is disabled", "type": "server_error"}}), "shift"),
        (event({"object": "error", "message": "Abort in scheduler", "code": 400}), "Abort in scheduler"),
        (event({"error": {"message": "model runner has unexpectedly stopped", "type": "api_error"}}), "runner"),
        (b'error: {"code":500,"message":"failed to decode"}\n\n', "failed to decode"),  # llama.cpp before b4000
    ],
    ids=["TGI", "llama.cpp", "SGLang", "Ollama", "llama.cpp with a field of its own"],
)
def test_a_failure_after_tokens_keeps_the_servers_words(failure: bytes, words: str) -> None:
    record = record_of(event(completion("a")), failure)
    assert record.outcome == "stream_error"
    assert words in (record.error or "")


def test_a_compressed_answer_is_named_as_one() -> None:
    """It was an "empty" answer, or an event that cannot be read, of a server that did its work."""
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    record = record_of(gzip.compress(b"".join(STREAMS["SGLang completions"])), head=head)
    assert record.outcome == "stream_error"
    assert "Content-Encoding: gzip" in (record.error or "")
