"""Events come out the same however the bytes were cut, and whatever the line ends are."""

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.load.wire.sse import EventReader

STREAM = (
    b'\xef\xbb\xbf: hello\n\ndata: {"a": 1}\n\nevent: x\ndata:two\ndata: lines\nid: 7\n\n\n\ndata\n\ndata: [DONE]\n\n'
)
EVENTS = [b'{"a": 1}', b"two\nlines", b"", b"[DONE]"]


def read(pieces: list[bytes]) -> list[bytes]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.sets(st.integers(0, 200)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_cut_and_any_line_end(cuts: set[int], line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end) + b": the end\n"
    bounds = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]
    assert read([stream[a:b] for a, b in pairwise(bounds)]) == EVENTS


def test_event_without_its_blank_line_is_not_an_event() -> None:
    assert read([b"data: 1\n\ndata: 2\n"]) == [b"1"]


def test_unicode_line_separators_are_text() -> None:
    """U+2028 and U+0085 are legal inside JSON; str.splitlines would cut there."""
    text = 'data: {"t": "a\u2028b\u0085c"}\n\n'.encode()
    assert read([text[:9], text[9:]]) == ['{"t": "a\u2028b\u0085c"}'.encode()]


def test_whole_event_and_two_events_in_a_piece() -> None:
    assert read([b"data: 1\n\n", b"data: 2\n\ndata: 3\n\n", b"data: 4\n\n"]) == [b"1", b"2", b"3", b"4"]


def test_one_event_of_many_megabytes_is_read_in_linear_time() -> None:
    """4 MB in pieces of 4 KiB took seconds: with each piece, all before it was copied and searched again."""
    reader = EventReader()
    piece = b"x" * 4096
    assert reader.feed(b"data: ") == []
    begin_s = time.process_time()
    for _ in range(1024):
        assert reader.feed(piece) == []
    assert reader.feed(b"\n\n") == [piece * 1024]
    assert time.process_time() - begin_s < 0.5
