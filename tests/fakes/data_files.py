"""Data files of every format that is read, made up at random, sound; what reading them gives must be sound, too."""

import gzip
import json
import math
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from llmdvfs.errors import LlmDvfsError
from llmdvfs.inputs.datasets import read_dataset
from llmdvfs.inputs.traces.reader import check_trace_head, read_window
from llmdvfs.models.facts import kv_bytes_per_token, least_weight_bytes, weight_bytes


def _words(rng: random.Random) -> str:
    return " ".join(rng.choices(("ein", "deux", "三", "four", "\u2028", "5"), k=rng.randint(1, 9)))


def _seconds(rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(3600), rng.randint(1, 30)))


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _azure(rng: random.Random) -> str:
    rows = (f"2024-05-10 00:{s // 60:02}:{s % 60:02}.25+00:00,{rng.randint(1, 9999)},{s}\n" for s in _seconds(rng))
    return "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(rows) + "2024-05-10 01:30:00,7,7\n"


def _blocks(rng: random.Random, block_tokens: int, per_s: int) -> str:
    rows = []
    for second in _seconds(rng):
        length = rng.randint(1, 5000)
        ids = [rng.randrange(100) for _ in range(-(-length // block_tokens))]
        rows.append(
            {"timestamp": second * per_s, "input_length": length, "output_length": rng.randint(1, 99), "hash_ids": ids}
        )
    return _lines(rows)


def _burstgpt(rng: random.Random) -> str:
    rows = (f"{s},ChatGPT,{rng.randint(1, 9999)},{rng.randint(1, 99)},0,API log\n" for s in _seconds(rng))
    return "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n" + "".join(rows)


def _sharegpt(rng: random.Random) -> str:
    turns = [{"from": "human", "value": _words(rng)}, {"from": "gpt", "value": _words(rng)}]
    return json.dumps([{"id": str(number), "conversations": turns} for number in range(rng.randint(1, 9))])


def _jsonl(rng: random.Random) -> str:
    return _lines([{"prompt": _words(rng), "completion": _words(rng)} for _ in range(rng.randint(1, 9))])


def _bbh(rng: random.Random) -> str:
    return json.dumps({"examples": [{"input": _words(rng), "target": "yes"} for _ in range(rng.randint(1, 9))]})


def _model(rng: random.Random) -> str:
    heads = rng.choice((4, 8, 32))
    shape = {"num_attention_heads": heads, "num_key_value_heads": heads // 4, "hidden_size": heads * 64}
    return json.dumps(shape | {"num_hidden_layers": rng.randint(1, 80), "torch_dtype": "bfloat16"})


def _index(rng: random.Random) -> str:
    return json.dumps({"weight_map": {f"layer.{number}": "model-1.safetensors" for number in range(rng.randint(1, 9))}})


MADE: dict[str, Callable[[random.Random], str]] = {
    "azure": _azure,
    "mooncake": lambda rng: _blocks(rng, 512, 1000),
    "qwen_bailian": lambda rng: _blocks(rng, 16, 1),
    "burstgpt": _burstgpt,
    "sharegpt": _sharegpt,
    "jsonl": _jsonl,
    "bbh": _bbh,
    "config.json": _model,
    "model.safetensors.index.json": _index,
}
"""Format -> a sound file of it."""
TRACES, SETS = ("azure", "mooncake", "qwen_bailian", "burstgpt"), ("sharegpt", "jsonl", "bbh")
MODELS = ("config.json", "model.safetensors.index.json")


def write_sound(folder: Path, kind: str, rng: random.Random, *, packed: bool) -> Path:
    """Write a sound file, with what belongs to it, and return its path; packed: by gzip."""
    path = folder / (kind if kind in MODELS else f"data.{'gz' if packed else 'txt'}")
    if kind in MODELS:
        (folder / "config.json").write_text(_model(rng))
        (folder / "model-1.safetensors").write_bytes(bytes(100))
    text = MADE[kind](rng).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if packed and kind not in MODELS else text)
    return path


def read(kind: str, path: Path) -> None:
    """Read a file in every way that the program does, and look at what came of it; an error of the tree: refused."""
    if kind in TRACES:
        check_trace_head(path, kind)
        rows = list(read_window(path, kind))
        assert rows
        assert all(math.isfinite(row.t_s) and row.num_prompt_tokens > 0 and row.num_output_tokens > 0 for row in rows)
        assert all(earlier.t_s <= later.t_s for earlier, later in pairwise(rows))
    elif kind in SETS:
        prompts = read_dataset(kind, path)
        assert prompts
        assert all(isinstance(prompt.text, str) for prompt in prompts)
    else:
        for size in (kv_bytes_per_token(path.parent), weight_bytes(path.parent), least_weight_bytes(path.parent)):
            assert size is None or size >= 0


def told(kind: str, path: Path) -> str | None:
    """Return what is told of a file that is refused; None: it was read."""
    try:
        read(kind, path)
    except LlmDvfsError as refused:
        return str(refused)
    return None
