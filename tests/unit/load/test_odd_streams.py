"""Streams of servers that differ from vLLM's: each was read wrongly once. Read n comes at instant 1000 + n."""

import json

import pytest

from llmdvfs.load.wire.exchange import Exchange, Failure
from llmdvfs.load.wire.outcome import request_record
from llmdvfs.records.request import RequestRecord

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(text: str | None = None, *, finish: str | None = None, usage: object = None) -> bytes:
    """Return an event: with a choice unless text is None, with usage unless that is None."""
    choices = [] if text is None else [{"text": text, "finish_reason": finish}]
    return b"data: " + json.dumps({"choices": choices} | ({} if usage is None else {"usage": usage})).encode() + b"\n\n"


def counted(num_output: object, **more: object) -> dict[str, object]:
    return {"completion_tokens": num_output, **more}


def record_of(*events: bytes, num_output: int = 4, failure: Failure | None = "closed") -> RequestRecord:
    reads = [(1000 + number, piece) for number, piece in enumerate((HEAD, *events))]
    cause = None if failure is None else "cause"
    return request_record(Exchange(0, "id", None, 8, num_output, 1, 2, reads, 5000, failure, cause))


def test_usage_of_zeros_until_the_last_chunk_is_not_running() -> None:
    """All four tokens were dated by the last chunk: TTFT 7.2 times too long, TPOT 0, outcome ok."""
    zeros = [event(text, usage=counted(0)) for text in ["a", "b", "c"]]
    record = record_of(*zeros, event("d", finish="length", usage=counted(4)), DONE)
    assert (record.outcome, record.token_count_source) == ("ok", "usage")
    assert (record.chunk_mono_ns, record.chunk_num_tokens) == ((1001, 1002, 1003, 1004), (1, 1, 1, 1))


def test_usage_that_is_zero_to_the_end_has_counted_nothing() -> None:
    record = record_of(*[event("x", usage=counted(0)) for _ in range(3)], event("x", finish="length"), DONE)
    assert (record.outcome, record.token_count_source, record.num_output_tokens) == ("ok", "finish_reason", 4)


def test_a_token_without_text_is_a_token() -> None:
    """One token was asked for, and it was half a character: the answer was "empty"."""
    record = record_of(event("", finish="length", usage=counted(1)), DONE, num_output=1)
    assert (record.outcome, record.chunk_mono_ns, record.chunk_num_tokens) == ("ok", (1001,), (1,))
    chat_role = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
    record = record_of(chat_role, event("", finish="length"), event(usage=counted(1)), DONE, num_output=1)
    assert (record.outcome, record.chunk_mono_ns) == ("ok", (1002,))  # not the role's chunk


def test_the_last_token_has_a_chunk_of_its_own_where_that_makes_the_number_right() -> None:
    events = [event("a"), event("b"), event("", finish="length"), event(usage=counted(3))]
    assert record_of(*events, DONE, num_output=3).chunk_mono_ns == (1001, 1002, 1003)
    events[-1] = event(usage=counted(2))  # here it carries the finish reason alone
    assert record_of(*events, DONE, num_output=2).chunk_mono_ns == (1001, 1002)


@pytest.mark.parametrize("failure", ["timeout", "reset", "closed"])
@pytest.mark.parametrize(
    "said", [b'{"error": {"message": "out of memory"}}', b'{"message": "out of memory", "code": 500}']
)
def test_an_error_event_after_tokens_keeps_its_cause(said: bytes, failure: Failure) -> None:
    record = record_of(event("a"), b"data: " + said + b"\n\n", failure=failure)
    assert record.outcome == ("timeout" if failure == "timeout" else "stream_error")
    assert "out of memory" in (record.error or "")


def test_what_follows_an_error_event_does_not_hide_it() -> None:
    record = record_of(event("a"), b'data: {"error": "out of memory"}\n\n', b"data: Internal Server Error\n\n")
    assert "out of memory" in (record.error or "")


def test_done_with_a_space_and_events_without_data() -> None:
    chunks = [event("x", usage=counted(number + 1)) for number in range(4)]
    record = record_of(b"data:\n\n", *chunks[:2], b"data: \n\n", *chunks[2:], b"data: [DONE] \n\n")
    assert (record.outcome, record.chunk_num_tokens) == ("ok", (1, 1, 1, 1))
    assert record.token_count_source == "continuous_usage"


def test_counts_that_are_whole_but_written_as_fractions() -> None:
    record = record_of(event("x", finish="stop"), event(usage=counted(4.0, prompt_tokens=8.0)), DONE)
    assert (record.outcome, record.num_output_tokens, record.num_prompt_tokens) == ("ok", 4, 8)
    broken = record_of(event("x", finish="stop"), event(usage=counted(4.5)), DONE)
    assert broken.outcome == "stream_error"


def test_prompt_tokens_told_once_are_kept() -> None:
    first = event("x", usage=counted(1, prompt_tokens=8, prompt_tokens_details={"cached_tokens": 6}))
    record = record_of(first, event("y", finish="length", usage=counted(2)), DONE, num_output=2)
    assert (record.num_prompt_tokens, record.num_cached_prompt_tokens, record.num_output_tokens) == (8, 6, 2)


def test_an_aborted_answer_is_not_ok_whatever_its_length() -> None:
    record = record_of(event("x", finish="abort"), event(usage=counted(4)), DONE)
    assert record.outcome == "stream_error"
    assert "finish reason 'abort' after 4 tokens" in (record.error or "")


def test_length_is_no_proof_that_all_tokens_came() -> None:
    """A prompt of 4,090 tokens at max_model_len 4,096: 6 of 100 tokens, and "length" all the same."""
    chunks = [*(event("x") for _ in range(5)), event("x", finish="length")]
    record = record_of(*chunks, DONE, num_output=100)
    assert (record.outcome, record.num_output_tokens, record.token_count_source) == ("wrong_length", None, None)
    assert record_of(*chunks, DONE, num_output=6).token_count_source == "finish_reason"


def test_what_a_server_says_cannot_steer_the_terminal() -> None:
    record = record_of(b'data: {"error": "\\u001b[2J"}\n\n', b"data: \x1b[2Jcleared\n\n")
    assert "\x1b" not in (record.error or "\x1b")


@pytest.mark.parametrize("reason", [["stop"], {"type": "stop"}, 1, True])
def test_a_finish_reason_that_is_no_word_fails_its_request_and_no_other(reason: object) -> None:
    """A list ended the load generator after the load, and all its requests were lost; with a number the file could not
    be read again."""
    odd = b"data: " + json.dumps({"choices": [{"text": "a", "finish_reason": reason}]}).encode() + b"\n\n"
    record = record_of(odd, DONE)
    assert (record.outcome, record.finish_reason) == ("stream_error", None)
    assert "expected a finish reason, seen" in (record.error or "")


@pytest.mark.parametrize("count", [-1, -5.0])
def test_a_count_below_zero_is_no_count(count: float) -> None:
    """-1 prompt tokens were taken off the throughput, in a request that was `ok`."""
    asked = [event(text, usage={"prompt_tokens": count}) for text in "abc"]
    record = record_of(*asked, event("d", finish="length"), DONE)
    assert (record.outcome, record.num_prompt_tokens) == ("stream_error", None)
