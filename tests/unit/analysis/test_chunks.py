"""Chunks of several requests in columns, worked out by hand."""

import pytest
from fakes.requests import ok_request

from llmdvfs.analysis.chunks import chunks_of
from llmdvfs.records.request import RequestRecord

S = 1_000_000_000


def request(index: int, chunks: dict[float, int]) -> RequestRecord:
    """Return a request with these chunks: arrival [s] -> tokens."""
    stamps = [round(t_s * S) for t_s in chunks]
    return ok_request(
        index,
        scheduled_mono_ns=0,
        sent_mono_ns=0,
        chunk_mono_ns=stamps,
        chunk_num_tokens=list(chunks.values()),
        end_mono_ns=10 * S,
    )


def test_gaps_do_not_reach_from_one_request_into_the_next() -> None:
    """Gaps of 1 and 2 s in the first request; none in the others, of which one has no chunk. Its last chunk has two."""
    found = chunks_of([request(0, {1: 1, 2: 1, 4: 2}), request(1, {}), request(2, {9: 3})])
    assert found.is_first.tolist() == [True, False, False, True]
    assert found.gaps_s.tolist() == [1.0, 2.0]
    assert found.token_gaps_s.tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert found.num_tokens[found.inside(1.0, 4.0, started_mono_ns=1 * S)].tolist() == [1, 2]


def test_without_a_request_there_is_no_gap() -> None:
    assert len(chunks_of([]).gaps_s) == 0
    assert len(chunks_of([]).token_gaps_s) == 0
