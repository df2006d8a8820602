"""A scripted prefill instance: answers each request whole after a known time, and logs when it did.

    python bench/proxy/prefill_server.py LOG [--answer-s 0.02]

The answer carries kv_transfer_params as NIXL's does. The log, a JSON object a request, is written when SIGTERM ends it.
Routers give requests ids of their own, so the prompt is logged too.
"""

import argparse
import asyncio
import signal
from pathlib import Path
from time import monotonic_ns
from typing import Any, cast

import httptools
import orjson
import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
PARAMS = {"do_remote_prefill": True, "remote_engine_id": "prefill-0", "remote_block_ids": [[1, 2, 3, 4]]}
ANSWER = orjson.dumps(
    {
        "id": "cmpl-0",
        "object": "text_completion",
        "choices": [{"index": 0, "text": " token", "finish_reason": "length"}],
        "usage": {"prompt_tokens": 64, "completion_tokens": 1, "total_tokens": 65},
        "kv_transfer_params": PARAMS | {"remote_host": "127.0.0.1", "remote_port": 1, "do_remote_decode": False},
    }
)


class Connection(asyncio.Protocol):
    def __init__(self, answer_s: float, log: list[dict[str, Any]]) -> None:
        self._answer_s = answer_s
        self._log = log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._seen = {"request_id": None, "received_mono_ns": monotonic_ns(), "body": b""}

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-request-id":
            self._seen["request_id"] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._seen["body"] += body

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"POST":
            asyncio.get_running_loop().call_later(self._answer_s, self._answer, self._seen)
        else:
            self._transport.write(HEAD % 2 + b"{}")

    def _answer(self, seen: dict[str, Any]) -> None:
        seen["answered_mono_ns"] = monotonic_ns()
        self._transport.write(HEAD % len(ANSWER) + ANSWER)
        self._log.append(seen)


async def serve(answer_s: float, log: list[dict[str, Any]]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer_s, log), "127.0.0.1", 0, backlog=4096)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--answer-s", type=float, default=0.02)
    options = parser.parse_args()
    log: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.answer_s, log))
    with options.log.open("wb") as file:
        for seen in log:
            file.write(orjson.dumps(seen | {"body": orjson.loads(seen["body"])}) + b"\n")


if __name__ == "__main__":
    main()
