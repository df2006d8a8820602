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


class _Body:
    """Keeps a body, and tells when it is whole."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.whole: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self, status: int, content_type: bytes) -> None:
        """Pass over what the answer itself keeps."""

    def take(self, piece: bytes, is_last: bool) -> None:
        """Keep a piece."""
        self.pieces.append(piece)
        if is_last and not self.whole.done():
            self.whole.set_result(None)

    def lost(self, cause: str) -> None:
        """Tell that it will never be whole."""
        if not self.whole.done():
            self.whole.set_exception(ConnectionResetError(cause))


class ResponseStream(asyncio.Protocol):
    """One answer, on a connection that carries nothing else until the answer is whole.

    It goes to a receiver (`give_to`). Until there is one, at most READ_AHEAD_BYTES and what the last read brought are
    kept, and the instance has to wait.
    """

    def __init__(self, give_back: Callable[[Outlet, bool], None], outlet: Outlet) -> None:
        self._give_back = give_back
        self._outlet: Outlet | None = outlet
        # It refers to this answer, and goes when nothing more is to be parsed: else the two would wait for a
        # collection, which stops all streams.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._num_unread_bytes = 0
        self._is_paused = False
        self._is_whole = False
        self._broken: str | None = None
        self._change: asyncio.Future[None] | None = None
        self._receiver: Receiver | None = None
        self._is_told = False
        self.has_begun = False
        self.status: int
        """The HTTP status; it is there once the answer has begun."""
        self.content_type = b"application/json"

    async def begin(self) -> None:
        """Wait for status and headers; OSError says what broke off."""
        while not self.has_begun:
            await self._changed()

    async def read_all(self) -> bytes:
        """Return the body when it is whole; OSError says what broke off."""
        body = _Body()
        self.give_to(body)
        await body.whole
        return b"".join(body.pieces)

    def give_to(self, receiver: Receiver) -> None:
        """Give the answer to a receiver: what has come already at once, all else within the reads that bring it."""
        self._receiver = receiver
        self.resume()
        self._pass_on()
        if self._broken is not None:
            receiver.lost(self._broken)

    def pause(self) -> None:
        """Read no more, so that the instance has to wait."""
        if self._outlet is not None and not self._is_paused:
            self._is_paused = True
            self._outlet.transport.pause_reading()

    def resume(self) -> None:
        """Read on after a pause."""
        if self._is_paused:
            self._is_paused = False
            if self._outlet is not None:
                self._outlet.transport.resume_reading()

    def close(self) -> None:
        """Drop the connection, unless the answer is whole, so that the instance stops computing."""
        self._receiver = None
        if self._outlet is not None:
            self._outlet.transport.abort()
            self._outlet = self._parser = None

    def _pass_on(self) -> None:
        """Give the receiver what has come since it was given something."""
        if self._receiver is None or not self.has_begun:
            return
        if not self._is_told:
            self._is_told = True
            self._receiver.begin(self.status, self.content_type)
        elif not self._pieces and not self._is_whole:
            return
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._num_unread_bytes = 0
        receiver = self._receiver
        if self._is_whole:
            self._receiver = None  # the two refer to each other
        receiver.take(piece, self._is_whole)

    def _changed(self) -> "asyncio.Future[None]":
        if self._broken is not None:
            raise ConnectionResetError(self._broken)
        self._change = asyncio.get_running_loop().create_future()
        return self._change

    def _tell(self) -> None:
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)

    # ---- called by the event loop

    def data_received(self, data: bytes) -> None:
        """Take what came, and give it to the receiver at once."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._broken = f"it does not speak HTTP: {error}"
            if self._outlet is not None:
                self._outlet.transport.abort()  # connection_lost follows
                self._outlet = None
        if self._outlet is None:
            self._parser = None
        if self._receiver is None:
            self._tell()
            if self._num_unread_bytes > READ_AHEAD_BYTES:
                self.pause()
            return
        self._pass_on()

    def connection_lost(self, error: Exception | None) -> None:
        """Break the answer off, and tell whoever waits for it."""
        self._outlet = self._parser = None
        self._broken = self._broken or str(error or "it closed the connection before the end of the answer")
        if self._receiver is not None:
            self._receiver.lost(self._broken)
        self._tell()

    # ---- called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that is passed on."""
        if name.lower() == b"content-type":
            self.content_type = value

    def on_headers_complete(self) -> None:
        """Begin, unless this is an interim answer (100 Continue, say): the one that counts follows it."""
        self.status = self._parser.get_status_code()
        self.has_begun = self.status >= FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body until it is read."""
        self._pieces.append(body)
        self._num_unread_bytes += len(body)

    def on_message_complete(self) -> None:
        """Give the connection back."""
        if not self.has_begun:
            return
        self._is_whole = True
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            self._give_back(outlet, self._parser.should_keep_alive())
