"""HTTP/1.1 to one instance: connections that stay open, and answers that are read as they come.

Not aiohttp's client: while a token is passed on, all other streams wait, and with aiohttp two to three times as long
(docs/decisions/0004-the-proxy-reads-instances-itself.md).
"""

import asyncio
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httptools

CONNECT_LIMIT_S = 5.0
IDLE_LIMIT_S = 60.0  # below what servers are started with, or a request could meet a closing connection
READ_AHEAD_BYTES = 1 << 16
FINAL_STATUS = 200  # below it an answer is interim (RFC 9110, section 15.2)
_HEAD = (
    "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Request-Id: {}\r\nContent-Length: {}\r\n\r\n"
)


class ResponseStream(asyncio.Protocol):
    """One answer, on a connection that carries nothing else until the answer is whole."""

    def __init__(self, pool: "Pool", transport: asyncio.Transport) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = transport
        # It refers to this answer, and goes when nothing more is to be parsed: else the two would wait for a
        # collection, which stops all streams.
        self._parser: Any = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._num_unread_bytes = 0
        self._is_paused = False
        self._is_whole = False
        self._broken: str | None = None
        self._change: asyncio.Future[None] | None = None
        self._has_begun = False
        self.status: int
        """The HTTP status; it is there once the answer has begun."""
        self.content_type = b"application/json"

    async def begin(self) -> None:
        """Wait for status and headers; OSError says what broke off."""
        while not self._has_begun:
            await self._changed()

    async def read(self) -> bytes:
        """Return what has come since the last call, or wait for the next; b"" at the end.

        OSError says what broke off.
        """
        while not self._pieces:
            if self._is_whole:
                return b""
            await self._changed()
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._num_unread_bytes = 0
        if self._is_paused:
            self._is_paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return piece

    async def read_all(self) -> bytes:
        """Return all that is left of the body; OSError says what broke off."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Drop the connection, unless the answer is whole, so that the instance stops computing."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = self._parser = None

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
        """Take what came; beyond READ_AHEAD_BYTES the instance has to wait for the reader."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._broken = f"it does not speak HTTP: {error}"
            self.close()
        if self._transport is None:
            self._parser = None
        self._tell()
        if self._num_unread_bytes > READ_AHEAD_BYTES and self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Break the answer off, and tell whoever waits for it."""
        self._transport = self._parser = None
        self._broken = self._broken or str(error or "it closed the connection before the end of the answer")
        self._tell()

    # ---- called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that is passed on."""
        if name.lower() == b"content-type":
            self.content_type = value

    def on_headers_complete(self) -> None:
        """Begin, unless this is an interim answer (100 Continue, say): the one that counts follows it."""
        self.status = self._parser.get_status_code()
        self._has_begun = self.status >= FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body until it is read."""
        self._pieces.append(body)
        self._num_unread_bytes += len(body)

    def on_message_complete(self) -> None:
        """Give the connection back to the pool."""
        if not self._has_begun:
            return
        self._is_whole = True
        transport, self._transport = self._transport, None
        if transport is not None:
            self._pool.take_back(transport, self._parser.should_keep_alive())


class _Idle(asyncio.Protocol):
    """Keeps a connection that carries nothing; bytes that nobody asked for end it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.since_s = monotonic()

    def data_received(self, data: bytes) -> None:
        """End the connection, since nothing that comes next could be trusted."""
        self.transport.abort()


class Pool:
    """The connections to one instance; there are as many as requests at once."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._netloc = parts.netloc
        self._idle: list[_Idle] = []

    async def post(self, path: str, content: bytes, request_id: str) -> ResponseStream:
        """Send JSON and return the answer once it begins; OSError says what broke off."""
        transport = await self._connection()
        answer = ResponseStream(self, transport)
        transport.set_protocol(answer)
        head = _HEAD.format(path, self._netloc, request_id, len(content))
        transport.write(head.encode("latin-1") + content)
        try:
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def take_back(self, transport: asyncio.Transport, is_reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        if is_reusable and not transport.is_closing():
            idle = _Idle(transport)
            transport.set_protocol(idle)
            self._idle.append(idle)
        else:
            transport.close()

    def close(self) -> None:
        """Close the idle connections; those in use end with their answers."""
        while self._idle:
            self._idle.pop().transport.abort()

    async def _connection(self) -> asyncio.Transport:
        """Return an idle connection's transport, or that of a new one."""
        while self._idle:
            idle = self._idle.pop()
            if not idle.transport.is_closing() and monotonic() - idle.since_s < IDLE_LIMIT_S:
                return idle.transport
            idle.transport.abort()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                transport, _ = await loop.create_connection(asyncio.Protocol, self._host, self._port)
        except TimeoutError as error:
            raise TimeoutError(f"no connection to {self._netloc} within {CONNECT_LIMIT_S:g} s") from error
        return transport
