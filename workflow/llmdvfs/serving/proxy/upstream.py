"""One answer of an instance, read as it comes: HTTP/1.1 by httptools.

Not aiohttp's client: while a token is passed on, all other streams wait, and with aiohttp two to three times as long
(docs/decisions/0004-the-proxy-reads-instances-itself.md).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import httptools

from llmdvfs.serving.proxy.outlet import Outlet

READ_AHEAD_BYTES = 1 << 16
FINAL_STATUS = 200  # below it an answer is interim (RFC 9110, section 15.2)


class Receiver(Protocol):
    """Takes an answer within the reads that bring it."""

    def begin(self, status: int, content_type: bytes) -> None:
        """Take the status and the one header that is passed on; `take` follows within the same read."""

    def take(self, piece: bytes, is_last: bool) -> None:
        """Take what one read brought of the body: b"" where it brought the headers, or the end, and nothing else."""

    def lost(self, cause: str) -> None:
        """Take note that the answer broke off, perhaps before it began."""


class ResponseStream(asyncio.Protocol):
    """One answer, on a connection that carries nothing else until the answer is whole.

    It is given to its receiver within the reads that bring it. One that is held is not, until `release`: at most
    READ_AHEAD_BYTES and what the last read brought are kept, and the instance has to wait.
    """

    def __init__(self, receiver: Receiver, give_back: Callable[[Outlet, bool], None], *, is_held: bool = False) -> None:
        self._receiver: Receiver | None = receiver
        """None once it was told all there is, or no longer wants to know: the two refer to each other."""
        self._give_back = give_back
        self._is_held = is_held
        self._outlet: Outlet | None = None
        # It refers to this answer, and goes when nothing more is to be parsed: else the two would wait for a
        # collection, which stops all streams.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._num_unread_bytes = 0
        self._is_paused = False
        self._is_whole = False
        self._broken: str | None = None
        self._is_told = False
        self._has_begun = False
        self._status: int
        self._content_type = b"application/json"

    def ask(self, outlet: Outlet, request: bytes) -> None:
        """Send the request on a connection, which is this answer's from now on."""
        if self._receiver is None:  # it was closed while the connection was opened
            self._give_back(outlet, True)
            return
        self._outlet = outlet
        outlet.transport.set_protocol(self)
        outlet.write(request)

    def release(self) -> None:
        """Hold the answer no longer."""
        self._is_held = False
        self.resume()
        self._pass_on()

    def pause(self) -> None:
        """Read no more, so that the instance has to wait."""
        if self._outlet is not None and not self._is_paused:
            self._is_paused = True
            self._outlet.transport.pause_reading()

    def resume(self) -> None:
        """Read on from where it was paused."""
        if self._is_paused:
            self._is_paused = False
            if self._outlet is not None:
                self._outlet.transport.resume_reading()

    def close(self) -> None:
        """Drop the connection, unless the answer is whole, so that the instance stops computing."""
        self._receiver = self._parser = None
        if self._outlet is not None:
            self._outlet.transport.abort()
            self._outlet = None

    def lose(self, cause: str) -> None:
        """Tell the receiver that no more will come."""
        self._outlet = self._parser = None
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost(cause)

    def _pass_on(self) -> None:
        """Give the receiver what has come since it was given something."""
        receiver = self._receiver
        if receiver is None or not self._has_begun:
            return
        if not self._is_told:
            self._is_told = True
            receiver.begin(self._status, self._content_type)
        elif not self._pieces and not self._is_whole:
            return
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._num_unread_bytes = 0
        if self._is_whole:
            self._receiver = None
        receiver.take(piece, self._is_whole)

    # ---- called by the event loop

    def data_received(self, data: bytes) -> None:
        """Take what came, and give it to the receiver at once, unless it is held."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._broken = f"it does not speak HTTP: {error}"
            if self._outlet is not None:
                self._outlet.transport.abort()  # connection_lost follows
                self._outlet = None
        if self._outlet is None:
            self._parser = None
        if not self._is_held:
            self._pass_on()
        elif self._num_unread_bytes > READ_AHEAD_BYTES:
            self.pause()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the receiver that the answer broke off."""
        self.lose(self._broken or str(error or "it closed the connection before the end of the answer"))

    # ---- called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that is passed on."""
        if name.lower() == b"content-type":
            self._content_type = value

    def on_headers_complete(self) -> None:
        """Begin, unless this is an interim answer (100 Continue, say): the one that counts follows it."""
        self._status = self._parser.get_status_code()
        self._has_begun = self._status >= FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body until it is read."""
        self._pieces.append(body)
        self._num_unread_bytes += len(body)

    def on_message_complete(self) -> None:
        """Give the connection back."""
        if not self._has_begun:
            return
        self._is_whole = True
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            self._give_back(outlet, self._parser.should_keep_alive())
