"""Tokens of chunks add up, and every exchange lands in exactly one outcome."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.load.wire.exchange import Exchange, Failure
from llmdvfs.load.wire.outcome import request_record

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def finished(*pieces: bytes, failure: Failure | None = None, num_output: int = 4) -> Exchange:
    reads = [(1000 + number, piece) for number, piece in enumerate(pieces)]
    return Exchange(0, "id", None, 8, num_output, 1, 2, reads, 5000, failure, "cause" if failure else None)


@given(num_chunks=st.integers(1, 60), total=st.integers(1, 200))
def test_usage_is_spread_over_all_chunks(num_chunks: int, total: int) -> None:
    chunks = [b'data: {"choices": [{"text": "x"}]}\n\n'] * num_chunks
    usage = b'data: {"choices": [], "usage": {"completion_tokens": %d}}\n\n' % total
    record = request_record(finished(HEAD, *chunks, usage, b"data: [DONE]\n\n", failure="closed", num_output=total))
    assert record.ok
    assert sum(record.chunk_num_tokens) == total == record.num_output_tokens
    assert len(record.chunk_num_tokens) == min(num_chunks, total)
    assert record.chunk_mono_ns[0] == 1001  # the first chunk is never without a token
    assert max(record.chunk_num_tokens) - min(record.chunk_num_tokens) <= 1


@given(st.binary(max_size=300), st.sampled_from([None, "timeout", "reset", "closed", "refused"]))
def test_whatever_comes_there_is_one_outcome_with_a_cause(data: bytes, failure: Failure | None) -> None:
    for pieces in ((data,), (HEAD, data), (HEAD + b"data: " + data + b"\n\n",)):
        record = request_record(finished(*pieces, failure=failure))
        assert record.ok == (record.error is None)


@pytest.mark.parametrize(
    "event",
    [
        b'{"usage": 3}',
        b'{"usage": {"completion_tokens": "4"}}',
        b'{"choices": 7}',
        b'{"choices": [{"text": 5}]}',
        b'{"choices": [{"text": "x", "token_ids": 5}]}',
        b'{"choices": [{"delta": "x"}]}',
        b'{"choices": [{"delta": {"tool_calls": [1]}}]}',
        b"[1]",
        b"null",
    ],
)
def test_json_of_another_shape_is_a_stream_error(event: bytes) -> None:
    record = request_record(finished(HEAD, b"data: " + event + b"\n\n", b"data: [DONE]\n\n", failure="closed"))
    assert record.outcome == "stream_error"
    assert "cannot be read" in (record.error or "")


def test_complete_answer_outweighs_a_reset_behind_it() -> None:
    """All tokens and [DONE] are there; that the connection then broke cost nobody anything."""
    token = b'data: {"choices": [{"text": "x", "token_ids": [1], "finish_reason": "length"}]}\n\n'
    record = request_record(finished(HEAD, token, b"data: [DONE]\n\n", failure="reset", num_output=1))
    assert record.ok


def test_refused_connection_was_never_sent() -> None:
    exchange = finished(failure="refused")
    exchange.sent_mono_ns = None
    record = request_record(exchange)
    assert (record.outcome, record.sent_mono_ns, record.headers_mono_ns) == ("disconnected", None, None)
