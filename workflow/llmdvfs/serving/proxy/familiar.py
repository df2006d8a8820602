"""Requests that differ from the one before on their connection in their id and their body alone, as most do.

A parser costs them a quarter of their Python in the proxy, in which all that came with them waits
(docs/decisions/0022-a-familiar-head-is-not-parsed-again.md).
"""

import re
from dataclasses import dataclass
from typing import Self

MAX_DIGITS = 8
"""Of a body's length; what one read brings is shorter."""
_ID = re.compile(rb"[!-~]+")
_ID_NAME, _LENGTH_NAME = b"x-request-id", b"content-length"


@dataclass(frozen=True, slots=True)
class FamiliarHead:
    """A request's head that the parser has taken, in three parts around its id and the length of its body."""

    path: bytes
    _before: bytes
    _between: bytes
    _after: bytes

    @classmethod
    def of(cls, message: bytes, path: bytes, request_id: str) -> Self | None:
        """Return the head of a whole request, by its bytes and what the parser found; None: it is of another form."""
        lines = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
        names = [line.partition(b":")[0].lower() for line in lines]
        if names.count(_ID_NAME) != 1 or names.count(_LENGTH_NAME) != 1:
            return None
        id_line, length_line = names.index(_ID_NAME), names.index(_LENGTH_NAME)
        head = cls(
            path,
            _before=b"\r\n".join([*lines[:id_line], lines[id_line][: len(_ID_NAME)]]) + b": ",
            _between=b"\r\n".join([b"", *lines[id_line + 1 : length_line], lines[length_line][: len(_LENGTH_NAME)]])
            + b": ",
            _after=b"\r\n".join([b"", *lines[length_line + 1 :], b"", b""]),
        )
        found = head.split(message)
        return head if found is not None and found[0] == request_id else None

    def split(self, message: bytes) -> tuple[str, bytes] | None:
        """Return id and body of a whole request with this head; None: it is another, or not whole, or more than it."""
        id_at = len(self._before)
        id_end = message.find(b"\r", id_at)
        length_at = id_end + len(self._between)
        length_end = message.find(b"\r", length_at, length_at + MAX_DIGITS + 1)
        body_at = length_end + len(self._after)
        if not (
            message.startswith(self._before)
            and message.startswith(self._between, id_end)
            and message.startswith(self._after, length_end)
        ):
            return None
        request_id, length = message[id_at:id_end], message[length_at:length_end]
        if not (_ID.fullmatch(request_id) and length.isdigit() and int(length) == len(message) - body_at):
            return None
        return request_id.decode("ascii"), message[body_at:]
