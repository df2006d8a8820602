"""Carries exchanges over one connection. Its time stamps are the instrument: nothing is done before them."""

import asyncio
import os
from collections.abc import Callable
from time import monotonic_ns
from typing import cast

import httptools

from llmdvfs.load.wire.exchange import FINAL_STATUS, Exchange, Failure


class Connection(asyncio.Protocol):
    """Carries one exchange at a time.

    A read is stamped before anything else is done with it; the HTTP parser only finds the end of the answer, and events
    are read after the run. It has slots, so that fewer places of memory have to be fetched for a read after the core
    has slept.
    """

    __slots__ = (
        "_complete",
        "_exchange",
        "_fd",
        "_on_done",
        "_on_lost",
        "_parser",
        "_transport",
        "last_used_mono_ns",
        "reusable",
        "status",
    )

    def __init__(
        self, on_done: "Callable[[Connection, Exchange], None]", on_lost: "Callable[[Connection], None]"
    ) -> None:
        self._on_done = on_done
        self._on_lost = on_lost
        self._exchange: Exchange | None = None
        self._complete = False
        self._fd: int | None = None
        self.reusable = False
        """Open, and the server has not said that it will close."""
        self.last_used_mono_ns = 0
        self.status: int | None = None
        """HTTP status of the last answer."""

    @property
    def exchange(self) -> Exchange | None:
        """The exchange that it carries now; None: it is idle."""
        return self._exchange

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what sending needs: the transport, and without TLS the descriptor that requests are written to."""
        self._transport = cast(asyncio.Transport, transport)
        if transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()
        self._parser = httptools.HttpResponseParser(self)
        self.last_used_mono_ns = monotonic_ns()
        self.reusable = True

    def send(self, exchange: Exchange, rendered: bytes) -> None:
        """Write the request at once: a loop's transport would only queue it, and the stamp would be early."""
        self._exchange = exchange
        self._complete = False
        num_written = 0
        if not self.reusable:  # nothing may be written: the descriptor may already be another connection's
            self._fail("closed", "the server closed the connection before the request was written")
            return
        exchange.sent_mono_ns = monotonic_ns()
        if self._fd is not None:
            try:
                num_written = os.write(self._fd, rendered)
            except BlockingIOError:
                pass
            except OSError as error:
                self.abandon("reset", f"the request could not be written: {error}")
                return
        if num_written < len(rendered):
            self._transport.write(rendered[num_written:])

    def data_received(self, data: bytes) -> None:
        """Stamp and keep a read."""
        now = monotonic_ns()
        exchange = self._exchange
        if exchange is None:  # bytes that nobody asked for: whatever follows could not be trusted
            self.close()
            return
        exchange.reads.append((now, data))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.abandon("reset", f"the server does not speak HTTP: {error}")
            return
        if self._complete:
            self._finish(now)

    def on_message_complete(self) -> None:
        """Note that the answer is whole; called by the parser, which forgets what it was about afterwards.

        An interim answer (100 Continue, 103 Early Hints) announces the one that counts (RFC 9110, section 15.2).
        """
        status = self._parser.get_status_code()
        if status < FINAL_STATUS:
            return
        self._complete = True
        self.reusable = self._parser.should_keep_alive()
        self.status = status

    def eof_received(self) -> None:
        """Note that the server has closed its half; the transport then closes the other one."""
        self.reusable = False

    def connection_lost(self, error: Exception | None) -> None:
        """End the exchange that was under way, and forget the descriptor: the kernel gives its number to the next."""
        self.reusable = False
        self._fd = None
        if self._exchange is not None:
            if error is None:
                self._fail("closed", "the server closed the connection before the end of the answer")
            else:
                self._fail("reset", f"connection lost: {error!r}")
        self._on_lost(self)

    def abandon(self, failure: Failure, cause: str) -> None:
        """Fail the exchange with this cause, and drop the connection."""
        self.reusable = False
        self._transport.abort()
        if self._exchange is not None:
            self._fail(failure, cause)

    def close(self) -> None:
        """Drop the connection; nobody waits any more for an exchange that may be under way."""
        self.reusable = False
        self._exchange = None
        self._transport.abort()

    def _fail(self, failure: Failure, cause: str) -> None:
        exchange = self._exchange
        assert exchange is not None
        exchange.failure, exchange.cause = failure, cause
        self._finish(monotonic_ns())

    def _finish(self, now: int) -> None:
        exchange, self._exchange = self._exchange, None
        assert exchange is not None
        exchange.end_mono_ns = now
        self.last_used_mono_ns = now
        self._on_done(self, exchange)
