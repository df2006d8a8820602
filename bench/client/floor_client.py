"""The least that reading can cost an asyncio program: uvloop hands over bytes, they are stamped and kept, nothing else.

It knows this mock's answers by their last bytes, parses nothing and watches no time-out: a limit, not a client.
"""

import argparse
import asyncio
import gc
import json
from itertools import pairwise
from pathlib import Path
from time import monotonic_ns
from urllib.parse import urlsplit

import uvloop

END = b"0\r\n\r\n"


class Place(asyncio.Protocol):
    """One connection, which asks again as long as there is something to ask."""

    def __init__(self, request: bytes, left: list[None], done: list[tuple[int, list[tuple[int, bytes]]]]) -> None:
        self._request, self._left, self._done = request, left, done
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def ask(self) -> None:
        if not self._left:
            self.over.set_result(None)
            return
        self._left.pop()
        self._reads: list[tuple[int, bytes]] = []
        self._sent = monotonic_ns()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._reads.append((monotonic_ns(), data))
        if data.endswith(END):
            self._done.append((self._sent, self._reads))
            self.ask()


async def main(args: argparse.Namespace) -> None:
    to = urlsplit(args.url)
    asked = {"prompt": list(range(64)), "max_tokens": args.tokens, "stream": True}
    body = json.dumps(asked).encode()
    request = b"POST /v1/completions HTTP/1.1\r\nHost: mock\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    left, done = [None] * args.requests, []
    loop = asyncio.get_running_loop()
    places = [
        (await loop.create_connection(lambda: Place(request, left, done), to.hostname, to.port))[1]
        for _ in range(args.concurrency)
    ]
    gc.freeze()
    gc.disable()
    for place in places:
        place.ask()
    await asyncio.gather(*(place.over for place in places))
    # A read is a token here but for the head of the answer, which comes alone.
    arrivals = [(sent, [at for at, data in reads if b'"text"' in data]) for sent, reads in done]
    seen = [
        {"ttft_s": (at[0] - sent) / 1e9, "gaps_s": [(after - before) / 1e9 for before, after in pairwise(at)]}
        for sent, at in arrivals
    ]
    args.output.write_text(json.dumps(seen))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--output", type=Path)
    uvloop.run(main(parser.parse_args()))
