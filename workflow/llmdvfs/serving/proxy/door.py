"""The proxy's fast path: completions go straight from ASGI to the relay.

Through Quart's own request handling the same costs three times the CPU a request, which is waiting time for the other
streams: the proxy is part of what is measured.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from llmdvfs.clock import mono_ns
from llmdvfs.serving.proxy.journal import Stamps
from llmdvfs.serving.proxy.relay import Exchange, UpstreamFailed, error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 64 << 20
"""A body is passed on whole; ten million token ids, the longest prompt of a workload, take about as much."""
PATHS = frozenset({"/v1/completions", "/v1/chat/completions"})


class RequestService(Protocol):
    """What the door needs of the application: a place in the queue, and a request's way through the instances."""

    async def enter(self) -> bool:
        """Wait for a place; return False where the queue is full."""

    def leave(self) -> None:
        """Free the place."""

    def exchange(self, endpoint: str, content: bytes, stamps: Stamps) -> Exchange:
        """Return the request's way through the instances."""


class Door:
    """An ASGI application that serves PATHS itself, and leaves all else to the application behind it."""

    def __init__(self, app: AsgiApp, service: RequestService) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope: a completion here, anything else in the application behind."""
        if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        stamps = Stamps(_request_id(scope) or uuid.uuid4().hex, mono_ns())
        try:
            content = await _whole_body(receive)
        except _TooLarge:
            told = f"a request of more than {MAX_BODY_BYTES} bytes; shorten the prompt"
            await _send_whole(send, 413, error_body(told, 413))
            return
        if content is None:
            return
        with _Leaving(receive):
            await self._serve(scope["path"], content, stamps, send)

    async def _serve(self, endpoint: str, content: bytes, stamps: Stamps, send: Send) -> None:
        """Relay one completion, and send its answer or what went wrong."""
        if not await self._service.enter():
            await _send_whole(send, 503, error_body("too many requests are waiting already; try later", 503))
            return
        exchange = self._service.exchange(endpoint, content, stamps)
        try:
            await _relay(exchange, send)
        finally:
            exchange.close()
            self._service.leave()


class _Leaving:
    """Ends its block when the client goes away, and with the block everything upstream."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_left = False

    def __enter__(self) -> None:
        self._serving = asyncio.current_task()
        self._watching = asyncio.create_task(self._watch())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        serving, self._serving = self._serving, None
        self._watching.cancel()
        del self._watching  # a cycle, which only a collection would free, and that stops all streams
        if not self._has_left:
            return False
        assert serving is not None
        return serving.uncancel() == 0 and kind is asyncio.CancelledError

    async def _watch(self) -> None:
        """Wait until the client has gone, and cancel the block."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._serving is not None:
            self._has_left = True
            self._serving.cancel()


async def _relay(exchange: Exchange, send: Send) -> None:
    """Send the pieces of an answer to the client as they come."""
    try:
        answer = await exchange.open()
    except UpstreamFailed as failed:
        await _send_whole(send, failed.status, failed.body)
        return
    await _send_head(send, answer.status, answer.content_type, exchange.stamps.request_id)
    while piece := await exchange.read():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_head(send: Send, status: int, content_type: bytes, request_id: str | None = None) -> None:
    """Send status and headers to the client."""
    headers = [(b"content-type", content_type)]
    if request_id is not None:
        headers.append((b"x-request-id", request_id.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_whole(send: Send, status: int, body: bytes) -> None:
    """Send a whole answer of JSON to the client."""
    await _send_head(send, status, b"application/json")
    await send({"type": "http.response.body", "body": body, "more_body": False})


class _TooLarge(Exception):
    """The request's body is too large to be kept."""


async def _whole_body(receive: Receive) -> bytes | None:
    """Return the request's body; None: the client has gone before its end. _TooLarge: beyond MAX_BODY_BYTES."""
    parts: list[bytes] = []
    left = MAX_BODY_BYTES
    while (message := await receive())["type"] == "http.request":
        parts.append(message["body"])
        left -= len(message["body"])
        if left < 0:
            raise _TooLarge
        if not message["more_body"]:
            return b"".join(parts)
    return None


def _request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return str(value.decode("latin-1"))
    return None
