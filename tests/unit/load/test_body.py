"""The body of an answer out of the reads that brought it."""

from llmdvfs.load.wire.body import body_pieces, whole_body

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_each_piece_has_the_instant_of_its_read() -> None:
    reads = [(10, HEAD + b"3\r\nabc\r\n"), (20, b"2\r\nde\r\n0\r\n\r\n")]
    assert list(body_pieces(reads)) == [(10, b"abc"), (20, b"de")]


def test_what_came_before_the_fault_of_one_read_is_kept() -> None:
    """A read of two tokens and a broken chunk lost all of it, though both tokens had been received."""
    reads = [(10, HEAD + b"3\r\nabc\r\n"), (20, b"2\r\nde\r\n2\r\nfg\r\nno chunk\r\n"), (30, b"1\r\nh\r\n")]
    assert list(body_pieces(reads)) == [(10, b"abc"), (20, b"de"), (20, b"fg")]
    assert whole_body(reads) == b"abcdefg"
