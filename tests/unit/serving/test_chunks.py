"""What is passed on as it came has to be whole chunks, or a client would lose its place in the body."""

import contextlib
from itertools import product

import httptools
import pytest

from llmdvfs.serving.proxy.chunks import END, MAX_SIZE, chunk, length_of_chunks


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"1\r\na\r\n", 6),
        (b"f\r\n" + b"a" * 15 + b"\r\n", 20),
        (b"10\r\n" + b"a" * 16 + b"\r\n", 22),
        (b"4\r\n\r\n\r\n\r\n", 9),  # the piece is two line ends
        (b"1\r\na\r\n2\r\nbc\r\n", 13),
        (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 13),
        (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", 12),  # what looks like an end is a piece
        (b"7\r\n\r\n0\r\n\r\n", 0),  # the beginning of that piece
        (b"c\r\n1\r\na\r\n0\r\n\r\n", 0),  # and of a larger one
        (b"1\r\na\r\n2\r\nb", 6),
        (b"1\r\na\r\n1", 6),
        (b"1\r\na\r\n\r\n", 6),
        (b"1\r\na\r\n3a", 6),  # a size without its line's end
        (b"fff\r\n" + b"a" * 4095 + b"\r\n", 4102),
        (b"1000\r\n" + b"a" * 4096 + b"\r\n", 0),  # left to the parser
        (b"", 0),
        (b"1", 0),
        (b"1\r\n", 0),
        (b"1\r\na", 0),
        (b"1\r\na\r", 0),
        (b"\r\n", 0),
        (b"0\r\n\r\n", 0),  # the end of all chunks
        (b"2\r\na\r\n", 0),
        (b"1\r\nab\r\n", 0),
        (b"3\r\na\r\n0\r\n\r\n", 0),
        (b"1\r\na\n\n", 0),
        # Sizes in another writing, of which int takes most.
        (b"01\r\na\r\n", 0),
        (b"+1\r\na\r\n", 0),
        (b"-1\r\na\r\n", 0),
        (b" 1\r\na\r\n", 0),
        (b"0x1\r\na\r\n", 0),
        (b"1_0\r\n" + b"a" * 16 + b"\r\n", 0),
        (b"1g\r\n" + b"a" * 16 + b"\r\n", 0),
        (b"F\r\n" + b"a" * 15 + b"\r\n", 0),
        (b"1;x\r\na\r\n", 0),
    ],
)
def test_whole_chunks_are_told_from_all_else(data: bytes, expected: int) -> None:
    assert length_of_chunks(data) == expected


@pytest.mark.parametrize("sizes", [[1], [15], [16], [190, 140, 14], [255, 256], [MAX_SIZE, 1]])
def test_every_chunk_of_the_proxy_itself_is_one(sizes: list[int]) -> None:
    framed = b"".join(chunk(b"x" * size) for size in sizes)
    assert length_of_chunks(framed) == length_of_chunks(framed + END) == len(framed)


class Whole:
    """What httptools tells of a body: how long its whole chunks are, in bytes."""

    def __init__(self) -> None:
        self.length = self._size = 0

    def on_body(self, body: bytes) -> None:
        self._size += len(body)

    def on_chunk_complete(self) -> None:
        self.length += len(chunk(bytes(self._size))) if self._size else 0
        self._size = 0


@pytest.mark.parametrize("num_parts", range(1, 8))
def test_it_says_what_the_parser_says(num_parts: int) -> None:
    """For all bodies of so few parts, without trailers and sizes in another writing, which are the parser's alone."""
    for parts in product((b"\r\n", b"1", b"2", b"3", b"a"), repeat=num_parts):
        data = b"".join(parts)
        parser = httptools.HttpResponseParser(whole := Whole())
        parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(httptools.HttpParserError):
            parser.feed_data(data)
        assert length_of_chunks(data) == whole.length, data
