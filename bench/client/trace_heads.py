"""Writes heads of traces in the layouts of their publishers, to replay without their files; instants, lengths are ours.

Rates are those of the published files where they are known: Azure's of 2024 has 16.8 M rows of code and 27.3 M of
conversation in a week each, 28 and 45 a second; the others have what a busy minute may. Arrivals are Poisson, lengths
log-normal, the seed is fixed.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

SECONDS = 180
BEGIN = datetime(2024, 5, 12, tzinfo=UTC)
Rows = Iterator[tuple[float, int, int]]


def rows(rate_rps: float, prompt_tokens: float, output_tokens: float, seed: int) -> Rows:
    """Yield instant [s], prompt and output tokens of each request."""
    rng = np.random.default_rng(seed)
    t_s = 0.0
    while t_s < SECONDS:
        prompt, output = rng.lognormal(np.log((prompt_tokens, output_tokens)), (0.8, 0.6))
        yield t_s, int(np.clip(prompt, 1, 8000)), int(np.clip(output, 1, 500))
        t_s += rng.exponential(1 / rate_rps)


def azure(requests: Rows) -> Iterator[str]:
    yield "TIMESTAMP,ContextTokens,GeneratedTokens"
    for t_s, prompt, output in requests:
        yield f"{BEGIN + timedelta(microseconds=round(t_s * 1e6))},{prompt},{output}"


def bailian(requests: Rows) -> Iterator[str]:
    next_block = 0
    for number, (t_s, prompt, output) in enumerate(requests):
        blocks = list(range(next_block, next_block + -(-prompt // 16)))
        next_block += len(blocks)
        chat = {"chat_id": number, "parent_chat_id": -1, "timestamp": round(t_s, 3), "type": "text", "turn": 1}
        yield json.dumps(chat | {"input_length": prompt, "output_length": output, "hash_ids": blocks})


def burstgpt(requests: Rows) -> Iterator[str]:
    yield "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type"
    for t_s, prompt, output in requests:
        yield f"{19_440_110 + t_s:.3f},s,1.0,ChatGPT,{prompt},{output},{prompt + output},Conversation log"


HEADS: dict[str, tuple[str, Callable[[Rows], Iterator[str]], tuple[float, float, float]]] = {
    "azure 2024 code": ("azure", azure, (28, 1500, 20)),
    "azure 2024 conversation": ("azure", azure, (45, 900, 120)),
    "bailian": ("qwen_bailian", bailian, (10, 1200, 150)),
    "burstgpt": ("burstgpt", burstgpt, (5, 500, 150)),
}
"""Name -> format of the trace, layout, (requests a second, median prompt tokens, median output tokens)."""


def write_heads(folder: Path) -> dict[str, tuple[str, Path]]:
    """Write every head; return name -> format and path."""
    written: dict[str, tuple[str, Path]] = {}
    for seed, (name, (trace_format, layout, what)) in enumerate(HEADS.items()):
        path = folder / f"{name.replace(' ', '-')}.trace"
        path.write_text("".join(f"{line}\n" for line in layout(rows(*what, seed=seed))))
        written[name] = (trace_format, path)
    return written
