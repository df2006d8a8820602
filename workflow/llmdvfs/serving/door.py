"""The proxy's hot path: completions go straight from ASGI to the relay.

Through Quart's own request handling the same costs three times the CPU a request, which is waiting time for the other
streams: the proxy is part of what is measured.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import orjson

from llmdvfs.clock import mono_ns
from llmdvfs.connectors.connector import Body
from llmdvfs.serving.journal import Stamps
from llmdvfs.serving.relay import Exchange, UpstreamFailed, error_body

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

PATHS = frozenset({"/v1/completions", "/v1/chat/completions"})


class Host(Protocol):
    """What the door leads to."""

    async def enter(self) -> bool:
        """Wait for a place; False: the queue is full."""

    def leave(self) -> None:
        """Give the place back."""

    def exchange(self, endpoint: str, body: Body, stamps: Stamps) -> Exchange:
        """Return the request's way through the instances."""


class Door:
    """Serves PATHS, and leaves all else to the application behind it."""

    def __init__(self, app: AsgiApp, host: Host) -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http" or scope["path"] not in PATHS or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        stamps = Stamps(_request_id(scope) or uuid.uuid4().hex, mono_ns())
        serving = asyncio.ensure_future(self._serve(scope["path"], stamps, await _whole_body(receive), send))
        leaving = asyncio.ensure_future(_client_gone(receive))
        await asyncio.wait((serving, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not serving.done():
            serving.cancel()  # and with it everything upstream
            with contextlib.suppress(asyncio.CancelledError):
                await serving
        else:
            serving.result()

    async def _serve(self, endpoint: str, stamps: Stamps, content: bytes, send: Send) -> None:
        body = _parsed(content)
        if body is None:
            await _send_whole(send, 400, error_body("the request's body is not a JSON object", 400))
            return
        if not await self._host.enter():
            await _send_whole(send, 503, error_body("too many requests are waiting already; try later", 503))
            return
        exchange = self._host.exchange(endpoint, body, stamps)
        try:
            await _relay(exchange, send)
        finally:
            exchange.close()
            self._host.leave()


async def _relay(exchange: Exchange, send: Send) -> None:
    try:
        upstream = await exchange.open()
    except UpstreamFailed as failed:
        await _send_whole(send, failed.status, failed.body)
        return
    await _send_head(send, upstream.status, upstream.content_type, exchange.stamps.request_id)
    while piece := await exchange.read():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_head(send: Send, status: int, content_type: str, request_id: str | None = None) -> None:
    headers = [(b"content-type", content_type.encode("latin-1"))]
    if request_id is not None:
        headers.append((b"x-request-id", request_id.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_whole(send: Send, status: int, body: bytes) -> None:
    await _send_head(send, status, "application/json")
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):  # or the client has gone, which the next look tells
            return b"".join(parts)


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _request_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return str(value.decode("latin-1"))
    return None


def _parsed(content: bytes) -> Body | None:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None
