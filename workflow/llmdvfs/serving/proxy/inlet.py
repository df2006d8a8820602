"""Reads requests before tokens, where a loop reads what has come in the order of its turns.

A turn of the loop serves all that had come when it began: of 256 streams up to 256 tokens, some milliseconds. A request
that comes meanwhile would wait for all of them, and may so miss the step of the engine that it came for; a token that
waits for a request is late by some 40 us.
"""

import asyncio
import logging
import os
import select
from typing import Protocol

LOG = logging.getLogger(__name__)
TOKENS_BETWEEN = 1
"""How many tokens are passed on between two requests: a request takes as long as two to four tokens, a look 1.4 us."""
TOKENS_BETWEEN_WITH_PREFILL = 3
"""The same where a request is two, to prefill and then to decode."""
READ_BYTES = 1 << 16  # what is left of a longer request comes by the loop


class Asking(Protocol):
    """The protocol of a client's connection."""

    transport: asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Take what was read."""


class Inlet:
    """The reading side of all clients' connections, beside the loop's: each piece is read by whoever comes first."""

    def __init__(self, tokens_between: int = TOKENS_BETWEEN) -> None:
        self._tokens_between = tokens_between
        self._asking: dict[int, Asking] = {}
        self._epoll = select.epoll()
        self._num_left = tokens_between

    def add(self, fd: int, asking: Asking) -> None:
        """Look at this connection too, from now on."""
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)  # told once; else all that the loop reads too
        self.expect(fd, asking)

    def expect(self, fd: int, asking: Asking) -> None:
        """Look for a request on this connection."""
        self._asking[fd] = asking

    def expect_none(self, fd: int) -> None:
        """Look no more: it is being served, or lost; the descriptor leaves the epoll when the loop closes it."""
        self._asking.pop(fd, None)

    def after_token(self) -> None:
        """Take in a request, where there is one, once in so many calls as tokens may be between.

        Where all connections are being served none can come, and a look is spared.
        """
        if not self._asking:
            return
        self._num_left -= 1
        if not self._num_left:
            self._num_left = self._tokens_between
            for fd, _ in self._epoll.poll(0, 1):
                asking = self._asking.get(fd)
                if asking is not None and asking.transport.is_reading():
                    self._read(fd, asking)

    def _read(self, fd: int, asking: Asking) -> None:
        """Read once; what ends or breaks the connection is left to the loop, which finds it too."""
        try:
            data = os.read(fd, READ_BYTES)
        except OSError:  # mostly BlockingIOError: the loop has read it
            return
        if data:
            try:
                asking.data_received(data)
            except Exception:  # as the loop does it: one client's, and not that of the stream whose token comes next
                LOG.exception("a client's connection is dropped for an error that should not happen")
                asking.transport.abort()
