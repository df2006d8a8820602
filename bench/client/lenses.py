"""Holds each lens against its peer: both measure one server whose times are known, and print what they print.

    python bench/client/lenses.py [--requests 8] [--only guidellm] [--page docs/client.md]

The server answers in turns 4 tokens 100 ms apart and 16 tokens 20 ms apart, the first after 50 ms, one at a time:
definitions differ most where requests differ. The peers are those of run.py, from locks/. What a lens makes of our own
run must be what the peer prints of its own, but for the peer's error of measurement.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(Path(__file__).parent)]

from clients import CLIENTS, HERE, Case  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402
from peers import installed  # noqa: E402

from llmdvfs.load.peers.lens import numbers, read_seen  # noqa: E402
from llmdvfs.models.resolve import resolve_model  # noqa: E402
from llmdvfs.records.spec import ModelSpec  # noqa: E402

FIRST_S = 0.05
TURNS = ((4, 0.1), (16, 0.02))
ENVIRONMENT = {"PYTHONPATH": str(ROOT / "workflow"), "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}
Table = dict[str, float]
"""`TTFT mean` -> ms, and so on."""


@contextmanager
def server() -> Iterator[str]:
    """Serve the turns on loopback; yields the base URL."""
    turns = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(json.dumps({"object": "list", "data": [{"id": "mock", "object": "model"}]}).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            num_tokens, gap_s = TURNS[next(turns) % len(TURNS)]
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            due = time.monotonic() + FIRST_S
            for number in range(num_tokens):
                time.sleep(max(0.0, due - time.monotonic()))
                due += gap_s
                finish = "length" if number == num_tokens - 1 else None
                said = {"delta": {"content": " a"}} if "chat" in self.path else {"text": " a"}
                self._event({"choices": [{"index": 0, "finish_reason": finish} | said]})
            usage = {"prompt_tokens": 64, "completion_tokens": num_tokens, "total_tokens": 64 + num_tokens}
            self._event({"choices": [], "usage": usage})
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")

        def _event(self, data: dict[str, Any]) -> None:
            data |= {"id": "c", "object": "text_completion", "created": 1, "model": "mock"}
            self._chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listener.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def by_lens(folder: Path, lens: str) -> Table:
    """Return our run as a lens shows it."""
    seen = numbers(read_seen(folder / "journal.bin"), lens)
    table: Table = {}
    for name, values_s in {"TTFT": seen.ttft_s, "ITL": seen.itl_s, "TPOT": seen.tpot_s, "latency": seen.e2e_s}.items():
        values_ms = np.asarray(values_s) * 1e3
        table[f"{name} mean"] = float(values_ms.mean())
        table[f"{name} median"] = float(np.percentile(values_ms, 50, method=seen.percentile_method))
        table[f"{name} p99"] = float(np.percentile(values_ms, 99, method=seen.percentile_method))
    return table


def of_vllm(folder: Path) -> Table:
    said = json.loads((folder / "vllm.json").read_text())
    names = {"TTFT": "ttft", "ITL": "itl", "TPOT": "tpot"}
    return {
        f"{name} {stat}": said[f"{stat}_{theirs}_ms"]
        for name, theirs in names.items()
        for stat in ("mean", "median", "p99")
    }


def of_aiperf(folder: Path) -> Table:
    said = json.loads((folder / "profile_export_aiperf.json").read_text())
    names = {"TTFT": "time_to_first_token", "ITL": "inter_token_latency", "latency": "request_latency"}
    stats = {"mean": "avg", "median": "p50", "p99": "p99"}
    return {f"{name} {stat}": said[names[name]][stats[stat]] for name in names for stat in stats}


def of_guidellm(folder: Path) -> Table:
    [run] = json.loads((folder / "guidellm.json").read_text())["benchmarks"]
    names = {
        **{"TTFT": ("time_to_first_token_ms", 1.0), "ITL": ("inter_token_latency_ms", 1.0)},
        **{"TPOT": ("time_per_output_token_ms", 1.0), "latency": ("request_latency", 1e3)},
    }
    table: Table = {}
    for name, (theirs, scale) in names.items():
        said = run["metrics"][theirs]["successful"]
        table |= {f"{name} mean": said["mean"] * scale, f"{name} median": said["median"] * scale}
        table[f"{name} p99"] = said["percentiles"]["p99"] * scale
    return table


PEERS: dict[str, tuple[str, Callable[[Path], Table]]] = {
    "vllm bench": ("vllm bench serve", of_vllm),
    "aiperf": ("aiperf", of_aiperf),
    "guidellm": ("guidellm", of_guidellm),
}


def run(name: str, num_requests: int, tokenizer: Path, parent: Path) -> Path:
    """Run a client against a server of its own; return its output folder."""
    [client] = [client for client in CLIENTS if client.name == name]
    folder = Path(tempfile.mkdtemp(dir=parent))
    with server() as url:
        command = client.command(Case(1, num_requests, 16), url, tokenizer, folder)
        log = folder / "log"
        with log.open("w") as said:
            code = subprocess.run(
                command, env=os.environ | ENVIRONMENT, stdout=said, stderr=subprocess.STDOUT
            ).returncode
    if code:
        print(f"{name} ended with {code}:\n{log.read_text()[-2000:]}", file=sys.stderr)
    return folder


def rows(name: str, lens: Table, peer: Table) -> Iterator[str]:
    for figure, theirs in peer.items():
        yield f"| {name} | {figure} | {lens[figure]:.2f} | {theirs:.2f} | {theirs - lens[figure]:+.2f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--page", type=marked_page("bench/client/lenses.py"))
    args = parser.parse_args()
    lines = ["| peer | figure | lens on our run, ms | the peer of its own, ms | difference |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = Path(resolve_model(ModelSpec("tiny", "tiny", ""), folder / "models"))
        ours = run("llm-dvfs", args.requests, tokenizer, folder)
        for peer in args.only:
            if (lock := HERE / "locks" / f"{peer}.txt").exists():
                installed(lock)
            lens, read = PEERS[peer]
            lines += rows(peer, by_lens(ours, lens), read(run(peer, args.requests, tokenizer, folder)))
    text = "\n".join([*lines, "", host()])
    print(text)
    if args.page is not None:
        write_measured(args.page, "bench/client/lenses.py", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
