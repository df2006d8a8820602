"""What is passed on as it came has to be one chunk, or a client would lose its place in the body."""

import pytest

from llmdvfs.serving.proxy.chunks import END, are_last_chunks, chunk, is_one_chunk


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


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"1\r\na\r\n0\r\n\r\n", True),
        (b"2\r\nab\r\n10\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n", True),
        (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", True),  # what looks like an end is a piece
        (b"7\r\n\r\n0\r\n\r\n", False),  # the beginning of that piece
        (b"c\r\n1\r\na\r\n0\r\n\r\n", False),  # and of a larger one
        (b"0\r\n\r\n", False),
        (b"1\r\na\r\n", False),
        (b"\r\n0\r\n\r\n", False),
        (b"a\r\n0\r\n\r\n", False),  # the last byte of a chunk whose size came before
        (b"1\r\na\r\n0\r\n\r\n0\r\n\r\n", False),  # more than one answer
        (b"1\r\na\r\n0\r\nX: 1\r\n\r\n", False),  # a trailer
        (b"1;x\r\na\r\n0\r\n\r\n", False),
        (b"01\r\na\r\n0\r\n\r\n", False),
        (b"+1\r\na\r\n0\r\n\r\n", False),
        (b"1\r\nab\r\n0\r\n\r\n", False),
        (b"3\r\na\r\n0\r\n\r\n", False),
        (b"0x1\r\na\r\n0\r\n\r\n", False),
        (b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n", False),
        (b"1g\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n", False),
        (b"1000\r\n" + b"a" * 4096 + b"\r\n0\r\n\r\n", True),
    ],
)
def test_the_last_chunks_and_the_end_are_told_from_all_else(data: bytes, expected: bool) -> None:
    assert are_last_chunks(data) is expected


@pytest.mark.parametrize("sizes", [[1], [190, 140, 14], [4095, 1]])
def test_the_end_of_the_proxys_own_answers_is_one(sizes: list[int]) -> None:
    assert are_last_chunks(b"".join(chunk(b"x" * size) for size in sizes) + END)


@pytest.mark.parametrize("size", [1, 15, 16, 190, 255, 256, 4095])
def test_every_chunk_of_the_proxy_itself_is_one(size: int) -> None:
    assert is_one_chunk(chunk(b"x" * size))
