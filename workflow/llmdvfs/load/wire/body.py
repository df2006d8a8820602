"""The body of an answer out of the reads that brought it (pure)."""

from collections.abc import Iterable, Iterator

import httptools


class _Pieces:
    """The parser's callback."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def on_body(self, body: bytes) -> None:
        """Keep a piece."""
        self.found.append(body)


def body_pieces(reads: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yield instant [mono ns] and bytes of each piece of a body, up to where the answer is no HTTP.

    What a read brought before that is among them: it was received.
    """
    pieces = _Pieces()
    parser = httptools.HttpResponseParser(pieces)
    for instant, data in reads:
        is_http = True
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            is_http = False
        yield from ((instant, piece) for piece in pieces.found)
        if not is_http:
            return
        pieces.found.clear()


def whole_body(reads: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the body."""
    return b"".join(piece for _, piece in body_pieces(reads))
