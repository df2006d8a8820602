"""What is passed on as it came has to be one chunk, or a client would lose its place in the body."""

import pytest

from llmdvfs.serving.proxy.chunks import chunk, is_one_chunk


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"1\r\na\r\n", True),
        (b"f\r\n" + b"a" * 15 + b"\r\n", True),
        (b"10\r\n" + b"a" * 16 + b"\r\n", True),
        (b"4\r\n\r\n\r\n\r\n", True),  # the piece is two line ends
        (b"fff\r\n" + b"a" * 4095 + b"\r\n", True),
        (b"1000\r\n" + b"a" * 4096 + b"\r\n", False),  # left to the parser
        (b"", False),
        (b"\r\n", False),
        (b"0\r\n\r\n", False),  # the end of all chunks
        (b"1\r\na\r\n1\r\nb\r\n", False),
        (b"1\r\na\r\n0\r\n\r\n", False),
        (b"2\r\na\r\n", False),
        (b"1\r\na\n\n", False),
        (b"01\r\na\r\n", False),
        (b"F\r\n" + b"a" * 15 + b"\r\n", False),
        (b"1;x\r\na\r\n", False),
    ],
)
def test_one_whole_chunk_is_told_from_all_else(data: bytes, expected: bool) -> None:
    assert is_one_chunk(data) is expected


@pytest.mark.parametrize("size", [1, 15, 16, 190, 255, 256, 4095])
def test_every_chunk_of_the_proxy_itself_is_one(size: int) -> None:
    assert is_one_chunk(chunk(b"x" * size))
