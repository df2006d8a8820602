#!/usr/bin/env bash
# Linux, a streamed answer: how often the client's kernel acknowledges tokens depends on how long after the headers the first came.
# Within 40 ms: one acknowledgement for two tokens. Later, where the headers came alone: one for each token, sent within the read that
# brings it, before the client can stamp it. The acknowledgement of the headers had to be sent by itself then, after 40 ms, and that ends
# what the kernel takes for a dialogue. So the same tokens cost whoever reads them more behind a slow prefill than behind a quick one.
# TCP_QUICKACK = 0 after the first token brings one for two back.
#
# Seen (2026-11-29, Linux 6.18, aiohttp 3.13.2):
#   "segments sent by the client for an answer of 40 tokens: [20, 20, 20] where the first
#   came after 10 ms, [41, 41, 41] after 100 ms, [21, 21, 21] after 100 ms with TCP_QUICKACK 0"
# Needs: python3 >= 3.10, pip; loopback only. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install aiohttp==3.13.2
"$work/venv/bin/python" - <<'PY'
import asyncio
import socket
import struct
import sys

import aiohttp
from aiohttp import web

TOKENS, GAP_S = 40, 0.01
TOKEN = b'data: {"choices":[{"text":" token"}]}\n\n'
SEGS_OUT_AT = 136  # in struct tcp_info (linux/tcp.h): all segments that the socket has sent


async def complete(request):
    asked = await request.json()
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    await asyncio.sleep(asked["first_token_s"])
    for _ in range(TOKENS):
        await answer.write(TOKEN)
        await asyncio.sleep(GAP_S)
    return answer


def segments_out(sock):
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), SEGS_OUT_AT)[0]


async def segments_of_one(session, url, first_token_s, quickack_off=False):
    async with session.post(url, json={"first_token_s": first_token_s}) as answer:
        sock = answer.connection.transport.get_extra_info("socket")
        before = segments_out(sock)
        seen = b""
        async for data in answer.content.iter_any():
            if quickack_off and b"token" not in seen and b"token" in data:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
            seen += data
            after = segments_out(sock)
        assert seen.count(TOKEN) == TOKENS
        return after - before


async def main():
    app = web.Application()
    app.router.add_post("/", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    async with aiohttp.ClientSession() as session:
        await segments_of_one(session, url, 0.01)  # opens the connection, which the others use again
        quick = [await segments_of_one(session, url, 0.01) for _ in range(3)]
        slow = [await segments_of_one(session, url, 0.1) for _ in range(3)]
        mended = [await segments_of_one(session, url, 0.1, quickack_off=True) for _ in range(3)]
    await runner.cleanup()
    print(
        f"segments sent by the client for an answer of {TOKENS} tokens: {quick} where the first came after 10 ms, {slow} after 100 ms, "
        f"{mended} after 100 ms with TCP_QUICKACK 0"
    )
    return 0 if max(min(quick), min(mended)) <= TOKENS * 0.7 and min(slow) >= TOKENS * 0.9 else 1


sys.exit(asyncio.run(main()))
PY
