"""Starts vLLM once on each of some known shapes with dummy weights: one completion, and forecast beside measurement.

    python bench/models/starts.py --output OUT qwen3-30b-a3b gpt-oss-20b          # on one GPU, one after another
    python bench/models/starts.py --output OUT qwen3-next-80b-a3b:12              # cut to its first 12 layers
    python bench/models/starts.py --page docs/shapes.md OUT/starts.jsonl          # the table, from what was measured

Nothing is set on the GPU. What the engine loaded and made is read from its log; where it did not start, the cause.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "workflow"), str(CHECKOUT / "bench")]

from page import marked_page, write_measured  # noqa: E402
from started import end_started, mark  # noqa: E402

from llmdvfs.models.facts import kv_bytes_per_token, weight_bytes  # noqa: E402
from llmdvfs.models.shapes import write_shape  # noqa: E402
from llmdvfs.serving.instance.diagnosis import diagnose, last_error_line  # noqa: E402
from llmdvfs.serving.instance.engine_version import engine_versions  # noqa: E402
from llmdvfs.serving.instance.http import get, post  # noqa: E402
from llmdvfs.serving.instance.kv_cache import kv_cache_made  # noqa: E402

GIB = 2**30
URL = "http://127.0.0.1:18431"
FLAGS = ("--load-format", "dummy", "--enforce-eager", "--max-model-len", "4096", "--max-num-seqs", "16")
LOADED = re.compile(r"model loading took ([\d.]+) GiB", re.IGNORECASE)
NUM_TOKENS = 16


def start(name: str, output: Path, limit_s: float, flags: list[str]) -> dict[str, Any]:
    """Start one shape (`NAME` or `NAME:LAYERS`), ask it, end it; return what was foreseen and what was seen."""
    shape, _, layers = name.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / shape
        write_shape(model, shape)
        if layers:
            config = json.loads((model / "config.json").read_text())
            (model / "config.json").write_text(json.dumps(config | {"num_hidden_layers": int(layers)}))
        seen = {
            "shape": shape,
            "layers": int(layers) if layers else None,
            "vllm": engine_versions()["vllm"],
            "weights_foreseen_bytes": weight_bytes(model),
            "kv_foreseen_bytes_per_token": kv_bytes_per_token(model),
        }
        log = output / f"{name.replace(':', '-layers-')}.log"
        return seen | serve(model, log, limit_s, flags)


def serve(model: Path, log: Path, limit_s: float, flags: list[str]) -> dict[str, Any]:
    """Serve a model until it has answered once or the time is up; return what its log and its answer say."""
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), *FLAGS, *flags]
    argv += ["--port", URL.rpartition(":")[2], "--host", "127.0.0.1", "--served-model-name", "m"]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}
    begin, answer, startup_s = time.monotonic(), None, None
    with log.open("wb") as file:
        process = subprocess.Popen(argv, env=env | mark(str(log)), stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None and time.monotonic() - begin < limit_s and answer is None:
            time.sleep(0.5)
            if get(f"{URL}/health", 2.0).ok:
                startup_s = time.monotonic() - begin
                body = {"model": "m", "prompt": [5, 6, 7, 8], "max_tokens": NUM_TOKENS, "ignore_eos": True}
                answer = post(f"{URL}/v1/completions", body, 60.0)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        end_started(str(log))
        process.wait()
    text = log.read_text(errors="replace")
    loaded, made = LOADED.search(text), kv_cache_made(text)
    cause = None if answer is not None and answer.ok else str(diagnose(text) or last_error_line(text))
    return {
        "startup_s": startup_s,
        "num_tokens": json.loads(answer.body)["usage"]["completion_tokens"]
        if answer is not None and answer.ok
        else None,
        "weights_loaded_bytes": int(float(loaded[1]) * GIB) if loaded else None,
        "kv_num_tokens": made.num_tokens if made else None,
        "kv_memory_bytes": made.memory_bytes if made else None,
        "cause": cause,
    }


def table(starts: list[dict[str, Any]]) -> str:
    """Return the Markdown table of what was foreseen and measured."""
    rows = [
        "| shape | start | weights foreseen | loaded | KV bytes a token foreseen | measured |",
        "|---|---|---|---|---|---|",
    ]
    for one in starts:
        cut = f", cut to {one['layers']} layers" if one["layers"] else ""
        per_token = one["kv_memory_bytes"] / one["kv_num_tokens"] if one["kv_memory_bytes"] else None
        ended = f"{one['startup_s']:.0f} s, {one['num_tokens']} tokens" if one["cause"] is None else one["cause"]
        weights = [_gib(one[f"weights_{how}_bytes"]) for how in ("foreseen", "loaded")]
        kv = [_count(value) for value in (one["kv_foreseen_bytes_per_token"], per_token)]
        rows.append(f"| {' | '.join([one['shape'] + cut, ended, *weights, *kv])} |")
    return "\n".join(rows)


def _gib(num_bytes: float | None) -> str:
    return "null" if num_bytes is None else f"{num_bytes / GIB:.2f} GiB"


def _count(value: float | None) -> str:
    return "null" if value is None else f"{value:,.0f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="shapes, as NAME or NAME:LAYERS; with --page the measured files")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--limit", type=float, default=150.0, help="seconds that one start may take")
    parser.add_argument(
        "--flag", action="append", default=[], help="a further argument of every server, e.g. --flag=--seed=1"
    )
    parser.add_argument("--page", type=marked_page("bench/models/starts.py"))
    given = parser.parse_args()
    if given.page:
        lines = [line for name in given.names for line in Path(name).read_text().splitlines()]
        write_measured(given.page, "bench/models/starts.py", table([json.loads(line) for line in lines]))
        sys.exit()
    given.output.mkdir(parents=True, exist_ok=True)
    for shape_name in given.names:
        measured = start(shape_name, given.output, given.limit, given.flag)
        with (given.output / "starts.jsonl").open("a") as results:
            results.write(json.dumps(measured) + "\n")
        print(json.dumps(measured), flush=True)
