"""Streams that a gateway holds back until their end: TPOT and TBT of 0, and every gate passed."""

from dataclasses import replace

import pytest
from fakes.requests import ok_request

from llmdvfs.analysis.gates.streaming import tokens_streamed
from llmdvfs.records.request import RequestRecord


def answer(index: int, *chunk_mono_ns: int) -> RequestRecord:
    end = chunk_mono_ns[-1]
    return ok_request(index, scheduled_mono_ns=0, sent_mono_ns=0, chunk_mono_ns=chunk_mono_ns, end_mono_ns=end)


@pytest.mark.parametrize(
    ("num_at_once", "status"), [(0, "passed"), (2, "passed"), (5, "passed"), (6, "failed"), (10, "failed")]
)
def test_answers_that_came_in_one_read(num_at_once: int, status: str) -> None:
    """Of 10 answers of 4 chunks, 10 ms apart or all in the read at 40 ms."""
    at_once = [answer(index, *[40_000_000] * 4) for index in range(num_at_once)]
    streamed = [answer(index, 10_000_000, 20_000_000, 30_000_000, 40_000_000) for index in range(num_at_once, 10)]
    gate = tokens_streamed([*at_once, *streamed])
    assert gate.status == status
    assert gate.seen == f"{num_at_once} of 10 answers of 4 chunks or more came in one read"


def test_short_answers_and_failed_ones_are_not_judged() -> None:
    failed = replace(answer(1, 5, 5, 5, 5), outcome="stream_error")
    assert tokens_streamed([answer(0, 5, 5, 5), failed]).status == "not_applicable"
