"""The framing of a body that comes in chunks (RFC 9112, section 7.1)."""

END = b"0\r\n\r\n"
"""What ends all chunks."""
MAX_SIZE = 4095


def chunk(piece: bytes) -> bytes:
    """Return a piece as one chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def length_of_chunks(data: bytes) -> int:
    """Return how much of what was read between two chunks is whole chunks with something in them, in bytes.

    It ends before END, and also where one would have to look closely: at a size in another writing, with an extension,
    or of more than MAX_SIZE.
    """
    at, length = 0, len(data)
    while at < length:
        line_end = data.find(b"\r\n", at, at + _MAX_LINE)
        size = _SIZES.get(data[at:line_end])
        if size is None or line_end < 0:
            break
        end = line_end + size + 4
        if data[end - 2 : end] != b"\r\n":
            break
        at = end
    return at


_SIZES = {b"%x" % size: size for size in range(1, MAX_SIZE + 1)}
"""A look costs less than int, which also takes some that are no sizes: signs, 0x."""
_MAX_LINE = len(b"%x\r\n" % MAX_SIZE)
