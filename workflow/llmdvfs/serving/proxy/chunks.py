"""The framing of a body that comes in chunks (RFC 9112, section 7.1)."""

END = b"0\r\n\r\n"
"""What ends all chunks."""
MAX_SIZE = 4095


def chunk(piece: bytes) -> bytes:
    """Return a piece as one chunk."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def is_one_chunk(data: bytes) -> bool:
    """Say whether what was read between two chunks is one chunk, whole and with something in it.

    False also where one would have to look closely: at a size in another writing, or of more than MAX_SIZE. It is asked
    of every token, and slices take half the time of startswith and endswith.
    """
    length, beginning = _BEGINNINGS.get(len(data), _NONE)
    return data[:length] == beginning and data[-2:] == b"\r\n"


def are_last_chunks(data: bytes) -> bool:
    """Say whether what was read between two chunks is whole chunks with something in them, END and nothing after it.

    False also for END alone, and at a size with an extension or a 0 before it, which are the parser's.
    """
    if not data.endswith(_LAST):
        return False
    at, end = 0, len(data) - len(END)
    while at < end:
        size_end = data.find(b"\r\n", at)
        digits = data[at:size_end]
        if digits[:1] == b"0" or not digits.isalnum():  # of these int takes some that are no sizes: signs, 0x
            return False
        try:
            at = size_end + int(digits, 16) + 4
        except ValueError:
            return False
        if data[at - 2 : at] != b"\r\n":
            return False
    return at == end


_LAST = b"\r\n" + END
_BEGINNINGS = {len(chunk(bytes(size))): (len(b"%x\r\n" % size), b"%x\r\n" % size) for size in range(1, MAX_SIZE + 1)}
"""How a chunk begins, by its whole length."""
_NONE = (0, None)
