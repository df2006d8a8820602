"""The loop that everybody writes first: aiohttp, json.loads on every line, a clock read in between."""

import argparse
import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path

import aiohttp


async def ask(session: aiohttp.ClientSession, url: str, tokens: int, out: list[dict]) -> None:
    body = {"model": "mock", "prompt": list(range(64)), "max_tokens": tokens, "stream": True}
    start = time.perf_counter()
    arrivals = []
    async with session.post(url, json=body) as response:
        async for line in response.content:
            text = line.strip()
            if text.startswith(b"data: ") and text != b"data: [DONE]" and json.loads(text[6:])["choices"]:
                arrivals.append(time.perf_counter())
    out.append({"ttft_s": arrivals[0] - start, "gaps_s": [b - a for a, b in pairwise(arrivals)]})


async def main(args: argparse.Namespace) -> None:
    left = iter(range(args.requests))
    out: list[dict] = []

    async def place() -> None:
        for _ in left:
            await ask(session, f"{args.url}/v1/completions", args.tokens, out)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(place() for _ in range(args.concurrency)))
    args.output.write_text(json.dumps(out))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--output", type=Path)
    asyncio.run(main(parser.parse_args()))
