"""The proxy's fast path: a client's connection, which takes completions to the relay itself.

All else goes to the application by uvicorn's protocol, whose connection this is. Through ASGI a completion costs twice
the CPU, and each of its pieces a turn of the event loop more, which is waiting time for the other streams: the proxy is
part of what is measured.
"""

import asyncio
import secrets
from collections.abc import Callable
from http.client import responses
from typing import Any, Literal, Protocol

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llmdvfs.clock import mono_ns
from llmdvfs.routing.failure import error_body
from llmdvfs.serving.proxy.admission import Admission
from llmdvfs.serving.proxy.chunks import END, chunk
from llmdvfs.serving.proxy.exchange import Client, Exchange
from llmdvfs.serving.proxy.familiar import FamiliarHead
from llmdvfs.serving.proxy.inlet import Inlet
from llmdvfs.serving.proxy.journal import Stamps
from llmdvfs.serving.proxy.outlet import Outlet

MAX_BODY_BYTES = 64 << 20
"""A body is passed on whole; ten million token ids, the longest prompt of a workload, take about as much."""
PATHS = frozenset({b"/v1/completions", b"/v1/chat/completions"})


class RequestService(Protocol):
    """What the door needs of the application: a place in the queue, and a request's way through the instances."""

    admission: Admission
    inlet: Inlet

    def client_came(self) -> None:
        """Have connections to the instances ready, for a client that has opened one."""

    def client_left(self) -> None:
        """Expect one client less."""

    def exchange(self, endpoint: str, content: bytes, stamps: Stamps, client: Client) -> Exchange:
        """Return the request's way through the instances."""


class Door(HttpToolsProtocol):
    """One connection of a client.

    One request at a time: a client that sends a completion before the last answer has ended (pipelining) finds its
    connection closed after that answer, which it has to expect (RFC 9112, section 9.3.2).
    """

    def __init__(self, service: RequestService, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._service = service
        self._to: Literal["app", "relay", "again", "nowhere"] = "app"
        """Where the message that is being read goes."""
        self._parts: list[bytes] = []
        self._num_left = 0
        self._path: bytes
        self._stamps: Stamps
        self._outlet: Outlet
        self._exchange: Exchange | None = None
        self._content = b""
        self._is_serving = False
        self._is_within = False
        """Whether a message has begun, of which more is to come."""
        self._familiar: FamiliarHead | None = None
        """The head of the last completion, where the next may have the same."""
        self._head = b""
        self._is_last = False
        self._takes_chunks = True
        """Whether the client knows chunks; to one of HTTP/1.0 the end of the connection ends an answer."""

    # ---- called by the event loop, and by uvicorn when it ends

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep what answers are written to, have requests read before tokens, and connections to instances opened."""
        super().connection_made(transport)
        self._outlet = Outlet(transport)
        self._service.inlet.add(self._outlet.fd, self)
        self._service.client_came()

    def connection_lost(self, error: Exception | None) -> None:
        """End what the client no longer waits for, and with it everything upstream."""
        super().connection_lost(error)
        self._service.client_left()
        self._service.admission.forget(self._start)
        self._end()
        self._service.inlet.expect_none(self._outlet.fd)

    def pause_writing(self) -> None:
        """Let the instance wait for a client that does not take what it was sent."""
        super().pause_writing()
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        """Let the instance go on."""
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.resume()

    def shutdown(self) -> None:
        """Close, after the answer that is under way."""
        if not self._is_serving:
            super().shutdown()
        self._is_last = True

    def data_received(self, data: bytes) -> None:
        """Read requests; one whose head is that of the one before it is not parsed again."""
        self._unset_keepalive_if_required()
        is_between = not (self._is_within or self._is_serving or self._is_busy)
        if is_between and self._familiar is not None:
            found = self._familiar.split(data)
            if found is not None:
                self._stamps = Stamps(found[0], mono_ns())
                self._path = self._familiar.path
                self._serve(found[1])
                return
        self._parse(data)
        if is_between and self._is_serving and not (self._is_within or self._is_last):
            self._familiar = FamiliarHead.of(data, self._path, self._stamps.request_id)

    # ---- called by the parser

    def on_message_begin(self) -> None:
        """Begin to keep what is read; uvicorn's scope is made where the message turns out to be its own."""
        self._is_within = True
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Find out where the message goes."""
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._to = "again"
            return
        path = self.url.partition(b"?")[0]
        is_completion = path in PATHS and self.parser.get_method() == b"POST"
        if self._is_serving or (is_completion and self._is_busy):
            self._to = "nowhere"
            self._is_last = True
            if self._is_busy:
                self.cycle.keep_alive = False
        elif is_completion:
            self._to = "relay"
            self._path = path
            self._takes_chunks = self.parser.get_http_version() != "1.0"
            self._is_last = self._is_last or not self._takes_chunks or not self.parser.should_keep_alive()
            self._num_left = MAX_BODY_BYTES
            self._read_headers()
        else:
            self._to = "app"
            self._tell_uvicorn()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a completion's body, up to MAX_BODY_BYTES."""
        if self._to == "app":
            super().on_body(body)
        elif self._to == "relay":
            self._parts.append(body)
            self._num_left -= len(body)
            if self._num_left < 0:
                self._parts.clear()
                self._to = "nowhere"
                self.refuse(413, error_body(f"a request of more than {MAX_BODY_BYTES} bytes; shorten the prompt", 413))

    def on_message_complete(self) -> None:
        """Serve a completion."""
        self._is_within = False
        if self._to == "app":
            super().on_message_complete()
        elif self._to == "relay":
            content = b"".join(self._parts)
            self._parts.clear()
            self._serve(content)

    # ---- called by the exchange

    def begin(self, status: int, content_type: bytes, request_id: str) -> None:
        """Keep status and headers until the first piece is there."""
        self._head = b"%b\r\ncontent-type: %b\r\nx-request-id: %b\r\n%b%b\r\n" % (
            _STATUS_LINES[status],
            content_type,
            request_id.encode("latin-1"),
            self._closing_header(),
            b"transfer-encoding: chunked\r\n" if self._takes_chunks else b"",
        )

    def take(self, piece: bytes, is_last: bool) -> None:
        """Send what has come of an answer as one chunk, and where it is the last the end of all chunks."""
        data = chunk(piece) if piece and self._takes_chunks else piece
        if self._head:
            data, self._head = self._head + data, b""
        if is_last and self._takes_chunks:
            data += END
        self._outlet.write(data)

    @property
    def forward(self) -> Callable[[bytes], None] | None:
        """What sends a whole chunk of an answer that has begun, to a client that knows chunks."""
        return self._outlet.write if self._takes_chunks else None

    def forward_first(self, chunks: bytes) -> None:
        """Send status, headers and the first chunks as they came."""
        data, self._head = self._head + chunks, b""
        self._outlet.write(data)

    def refuse(self, status: int, body: bytes) -> None:
        """Send a whole answer of JSON, in place of one of which nothing was sent."""
        self._head = b""
        self._outlet.write(
            b"%b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
            % (_STATUS_LINES[status], self._closing_header(), len(body), body)
        )

    def ended(self) -> None:
        """Be ready for the next request, or close."""
        self._end()
        if self._is_last:
            self.transport.close()

    # ----

    @property
    def _is_busy(self) -> bool:
        """Whether the application has a request that it has not answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _parse(self, data: bytes) -> None:
        """Read messages, those that offer to go on in another protocol (curl --http2) as if they did not."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except HttpParserUpgrade as offer:  # the parser takes what follows the headers for the other protocol
                data = self._head_again() + data[offer.args[0] :] if self._to == "again" else b""
            except HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return

    def _serve(self, content: bytes) -> None:
        """Take a completion in, or refuse it."""
        self._content = content
        self._is_serving = True
        self._service.inlet.expect_none(self._outlet.fd)
        if not self._service.admission.enter(self._start):
            self.refuse(503, error_body("too many requests are waiting already; try later", 503))
            self.ended()

    def _start(self) -> None:
        """Begin the request's way through the instances, now that it has a place."""
        content, self._content = self._content, b""
        if self.transport.is_closing():  # the client left when the place had been given
            self._service.admission.leave()
            return
        self._exchange = self._service.exchange(self._path.decode(), content, self._stamps, self)
        self._exchange.start()

    def _end(self) -> None:
        """Free what the request held: its place in the queue, and everything upstream."""
        self._is_serving = False
        self._service.inlet.expect(self._outlet.fd, self)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.close()
            self._service.admission.leave()

    def _closing_header(self) -> bytes:
        return b"connection: close\r\n" if self._is_last else b""

    def _read_headers(self) -> None:
        """Stamp the request, and tell a client to go on that waits for that before it sends the body."""
        received_mono_ns, request_id = mono_ns(), None
        for name, value in self.headers:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
            elif name == b"expect" and value.lower() == b"100-continue" and self._takes_chunks:
                self._outlet.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._stamps = Stamps(request_id or secrets.token_hex(16), received_mono_ns)

    def _head_again(self) -> bytes:
        """Return what has come of a message without its offer, which a server may ignore (RFC 9110, section 7.8)."""
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = (b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        return b"".join([first, *lines, b"\r\n"])

    def _tell_uvicorn(self) -> None:
        """Tell uvicorn what has come of a message that is its own."""
        self._outlet.is_behind = True  # uvicorn writes to the transport
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()


_STATUS_LINES = {status: f"HTTP/1.1 {status} {responses.get(status, '')}".encode() for status in range(100, 1000)}
