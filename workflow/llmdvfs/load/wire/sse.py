"""Cuts server-sent events out of bytes that arrive in pieces (pure)."""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventReader:
    """Cuts a byte stream into events, by the rules of the WHATWG HTML standard (section 9.2.6).

    An event is complete with the blank line behind it, so that the piece that brings that line dates it.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """Pieces of a line whose end has not come; joined once, or long lines would be copied with each of them."""
        self._data: list[bytes] = []
        self._at_start = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of every event that this piece completes; comments and pings are none."""
        if not self._rest and not self._data and piece.startswith(b"data: ") and piece.endswith(b"\n\n"):
            event = piece[6:-2]
            if b"\n" not in event and b"\r" not in event:  # one whole event: nearly every piece that vLLM sends
                self._at_start = False
                return [event]
        return self._feed_any(piece)

    def _feed_any(self, piece: bytes) -> list[bytes]:
        if self._is_inside_a_line(piece):
            self._rest.append(piece)
            return []
        text = b"".join([*self._rest, piece])
        if self._at_start and len(text) >= 3:
            text, self._at_start = text.removeprefix(b"\xef\xbb\xbf"), False
        # A carriage return at the end may be half of a line end: it waits for the next piece.
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(text[: len(text) - len(held)])
        self._rest = [rest + held] if rest or held else []
        return [event for line in lines if (event := self._take(line)) is not None]

    def _is_inside_a_line(self, piece: bytes) -> bool:
        """Return whether neither this piece nor what waits before it can end a line."""
        is_waiting = bool(self._rest) and not self._rest[-1].endswith(b"\r") and not self._at_start
        return is_waiting and _LINE_END.search(piece) is None

    def _take(self, line: bytes) -> bytes | None:
        if line:
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif field == b"error":  # llama.cpp's servers tell failures in a field of their own; the standard has none
                self._data.append(b'{"error":' + value + b"}")
            return None
        if not self._data:
            return None
        event, self._data = b"\n".join(self._data), []
        return event
