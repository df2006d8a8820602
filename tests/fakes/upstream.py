"""A scripted instance behind the proxy: real HTTP, known answers, known faults."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CHUNK = b'data: {"choices":[{"text":"%d"}]}\n\n'


@dataclass
class FakeUpstream:
    """One instance; change its fields between requests."""

    num_chunks: int = 3
    chunk_gap_s: float = 0.0
    status: int = 200
    healthy: bool = True
    break_after: int | None = None
    """Drop the connection after so many chunks."""
    hold: asyncio.Event | None = None
    """Answers wait for it."""
    kv_transfer_params: dict[str, Any] | None = None
    padding: int = 0
    """Bytes added to every chunk."""
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """Headers (lower case) and body of every request."""
    num_cancelled: int = 0
    num_sent: int = 0
    url: str = ""

    async def complete(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return web.Response(status=400, text="the instance expected JSON")
        self.requests.append(({key.lower(): value for key, value in request.headers.items()}, body))
        try:
            return await self._answer(request, body)
        except (asyncio.CancelledError, ConnectionResetError):
            self.num_cancelled += 1
            raise

    async def _answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if self.hold is not None:
            await self.hold.wait()
        if self.status != 200:
            return web.json_response({"error": {"message": "scripted"}}, status=self.status)
        if not body.get("stream"):
            answer: dict[str, Any] = {"choices": [{"text": "0"}], "usage": {"completion_tokens": 1}}
            return web.json_response(answer | {"kv_transfer_params": self.kv_transfer_params})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(self.num_chunks):
            if number == self.break_after:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(CHUNK % number + b":" + b"x" * self.padding + b"\n\n")
            self.num_sent += 1
            if self.chunk_gap_s:
                await asyncio.sleep(self.chunk_gap_s)
        if (body.get("stream_options") or {}).get("include_usage"):
            await response.write(b'data: {"choices":[],"usage":{"completion_tokens":%d}}\n\n' % self.num_chunks)
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def health(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if self.healthy else 503)

    async def count(self, request: web.Request) -> web.Response:
        return web.json_response(len(self.requests))

    async def models(self, request: web.Request) -> web.Response:
        if self.hold is not None:
            await self.hold.wait()
        return web.json_response({"data": [{"id": "m"}]})

    async def tokenize(self, request: web.Request) -> web.Response:
        return web.Response(body=json.dumps({"seen": await request.json()}), content_type="application/json")


@contextlib.asynccontextmanager
async def serving(upstream: FakeUpstream, port: int = 0) -> AsyncIterator[FakeUpstream]:
    """Serve it on a loopback port; 0 takes a free one."""
    app = web.Application()
    app.router.add_post("/v1/completions", upstream.complete)
    app.router.add_post("/v1/chat/completions", upstream.complete)
    app.router.add_get("/health", upstream.health)
    app.router.add_get("/asked", upstream.count)
    app.router.add_get("/v1/models", upstream.models)
    app.router.add_post("/tokenize", upstream.tokenize)
    # Cancel a handler when its client goes away, as vLLM does.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()
