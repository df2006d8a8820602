"""What the proxy adds: time to the first token, gaps between tokens, CPU; against the same server without it.

    python bench/proxy/bench.py [--streams 1 64 256] [--gap 0.01] [--tokens 64] [--peer 'COMMAND {port} {upstream}']

A scripted server sends tokens at known times and logs when each went out; the workflow's own load generator asks it
directly, through the proxy as balancer, and through a peer's router where one is given. TTFT and gaps are the client's
minus the server's, so what the client adds is the row "direct". CPU is that of the proxy's process while the load ran.
"""

import argparse
import contextlib
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow"))
os.environ["PYTHONPATH"] = str(ROOT / "workflow")

from llmdvfs.load.calibration import mock_server  # noqa: E402
from llmdvfs.records.load import LoadSpec, SendRecord  # noqa: E402
from llmdvfs.records.request import RequestRecord  # noqa: E402
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec  # noqa: E402
from llmdvfs.records.store import read_lines, write_record  # noqa: E402
from llmdvfs.serving.http import get  # noqa: E402
from llmdvfs.serving.ports import reserved  # noqa: E402
from llmdvfs.serving.proxy_plan import ProxyPlan, Upstream  # noqa: E402

TTFT_S = 0.05
LOAD_S = 6.0
PROXY = "{python} -m llmdvfs proxy --plan {folder}/plan.json --log {folder}/proxy.jsonl --port {port}"


def workload(num_streams: int, num_tokens: int, gap_s: float) -> WorkloadSpec:
    """A closed loop of about LOAD_S."""
    rounds = max(3, round(LOAD_S / (TTFT_S + num_tokens * gap_s)))
    prompts = PromptSpec("random", LengthSpec("fixed", value=64), LengthSpec("fixed", value=num_tokens))
    arrival = ArrivalSpec("closed", concurrency=num_streams)
    return WorkloadSpec("bench", prompts, arrival, rounds * num_streams, None, num_warmup_requests=num_streams)


@contextlib.contextmanager
def router(command: str | None, upstream: str, folder: Path) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Run what stands before the server; yield its base URL and processes. None: nothing does."""
    if command is None:
        yield upstream, []
        return
    write_record(folder / "plan.json", ProxyPlan((Upstream("single-0", "single", upstream),), None))
    with reserved("127.0.0.1") as port:
        words = command.format(python=sys.executable, folder=folder, port=port, upstream=upstream)
        with (folder / "router.log").open("w") as log:
            process = subprocess.Popen(shlex.split(words), stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 30
            while not get(f"{url}/v1/models", 1).ok:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{words} does not serve: {(folder / 'router.log').read_text()[-1000:]}")
                time.sleep(0.05)
            whole = psutil.Process(process.pid)
            yield url, [whole, *whole.children(recursive=True)]
        finally:
            process.terminate()
            process.wait(20)


def measure(command: str | None, num_streams: int, num_tokens: int, gap_s: float) -> dict[str, float]:
    """One row, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "send_log.jsonl"
        with (
            mock_server(ttft_s=TTFT_S, gap_s=gap_s, log=log) as upstream,
            router(command, upstream, folder) as (url, own),
        ):
            load = LoadSpec(workload(num_streams, num_tokens, gap_s), url, "mock", None, 0, 0, str(folder))
            write_record(folder / "load_spec.json", load)
            before_s = sum(sum(process.cpu_times()[:2]) for process in own)
            client = [sys.executable, "-m", "llmdvfs", "load", str(folder / "load_spec.json")]
            subprocess.run(client, check=True, stdout=subprocess.DEVNULL)
            cpu_s = sum(sum(process.cpu_times()[:2]) for process in own) - before_s
        truth = {record.request_id: record for record in read_lines(log, SendRecord)}
        requests = list(read_lines(folder / "requests.jsonl", RequestRecord))
    return figures(requests, truth) | {"cpu_per_1000_tokens_s": cpu_s / (len(truth) * num_tokens) * 1000}


def figures(requests: list[RequestRecord], truth: dict[str | None, SendRecord]) -> dict[str, float]:
    """Client minus server: TTFT over requests, gaps over tokens."""
    failed = [request for request in requests if not request.ok]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(requests)} requests failed: {failed[0].error}")
    ttft_ns, gap_ns, true_gap_ns = [], [], []
    for request in requests:
        true = truth[request.request_id]
        assert request.sent_mono_ns is not None
        seen_ttft_ns = request.chunk_mono_ns[0] - request.sent_mono_ns
        ttft_ns.append(seen_ttft_ns - (true.token_mono_ns[0] - true.received_mono_ns))
        gap_ns.append(np.diff(request.chunk_mono_ns))
        true_gap_ns.append(np.diff(true.token_mono_ns))
    gaps, true_gaps = np.concatenate(gap_ns), np.concatenate(true_gap_ns)
    return {
        "ttft_p50_s": float(np.percentile(ttft_ns, 50)) / 1e9,
        "ttft_p99_s": float(np.percentile(ttft_ns, 99)) / 1e9,
        "gap_p50_s": float(np.percentile(gaps, 50) - np.percentile(true_gaps, 50)) / 1e9,
        "gap_p99_s": float(np.percentile(gaps, 99) - np.percentile(true_gaps, 99)) / 1e9,
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--gap", type=float, default=0.01, help="between two tokens of a stream, in seconds")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--peer", help="command of another router, with {port} and {upstream}")
    options = parser.parse_args()
    commands = {"direct": None, "proxy": PROXY} | ({"peer": options.peer} if options.peer else {})
    print(
        f"gap {options.gap * 1000:g} ms, {options.tokens} tokens, {os.cpu_count()} cores ({platform.machine()}),",
        end=" ",
    )
    print(f"load average before: {os.getloadavg()[0]:.1f}; milliseconds, client minus server")
    print(f"{'streams':>7} {'':8} {'TTFT p50':>9} {'p99':>8} {'gap p50':>9} {'p99':>8} {'CPU per 1000 tokens':>20}")
    for num_streams in options.streams:
        for name, command in commands.items():
            row = {
                key: 1000 * value for key, value in measure(command, num_streams, options.tokens, options.gap).items()
            }
            cpu = f"{row['cpu_per_1000_tokens_s']:.1f}" if command else "-"
            print(
                f"{num_streams:7} {name:8} {row['ttft_p50_s']:9.2f} {row['ttft_p99_s']:8.2f} {row['gap_p50_s']:9.2f} "
                f"{row['gap_p99_s']:8.2f} {cpu:>20}",
                flush=True,
            )


if __name__ == "__main__":
    main()
