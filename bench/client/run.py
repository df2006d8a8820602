"""The client against vllm bench, aiperf, guidellm, a plain aiohttp loop and a floor, all on one mock server in one run.

    python bench/client/run.py [--repeats 5] [--peer-repeats 3] [--concurrency 32 128 256 512] [--page docs/client.md]

The mock and this program run on one core, the client on another. Errors are the client's figures minus the mock's send
log; a figure is the median of the repeats. The peers are installed once, from locks/, into .venvs/; vllm bench is the
one of this environment. Writes client.json and client.md into --output.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(Path(__file__).parent)]

from clients import CLIENTS, LOCKS, Case, Client  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402
from peers import installed  # noqa: E402
from watch import watch  # noqa: E402

from llmdvfs.models.resolve import resolve_model  # noqa: E402
from llmdvfs.records.load import SendRecord  # noqa: E402
from llmdvfs.records.spec import ModelSpec  # noqa: E402
from llmdvfs.records.store import read_lines  # noqa: E402

MOCK_CORE, CLIENT_CORE = 0, 1
ROUNDS = 5  # requests a stream
TOKENS = 128
TIMEOUT_S = 300.0
OURS = ("llm-dvfs", "llm-dvfs, normal priority")
ENVIRONMENT = {"PYTHONPATH": str(ROOT / "workflow"), "DO_NOT_TRACK": "1", "VLLM_NO_USAGE_STATS": "1"}


@dataclass(frozen=True)
class Pace:
    """What the mock does."""

    ttft_s: float
    gap_s: float
    tokens_per_step: int = 1


@dataclass(frozen=True)
class Measured:
    """One run of one client; None: the client does not tell, or failed."""

    client: str
    kind: str
    concurrency: int
    failed: str | None = None
    ttft_error_ms: float | None = None
    gap_p99_error_ms: float | None = None
    cpu_us_per_token: float | None = None
    tokens_per_s: float | None = None
    requests_per_s: float | None = None
    host_load: float | None = None
    """The host's load average over the minute that ended with the run."""
    start_s: float | None = None
    memory_mb: float | None = None
    num_processes: int | None = None


def main() -> int:
    args = _arguments()
    for lock in LOCKS:
        installed(lock)
    os.sched_setaffinity(0, {MOCK_CORE})  # what watches the client stays off the client's core
    clients = [client for client in CLIENTS if not args.only or client.name in args.only]
    args.output.mkdir(parents=True, exist_ok=True)
    runs: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(resolve_model(ModelSpec("tiny", "tiny", ""), Path(folder) / "models"))
        for kind, case, pace in cases(args.concurrency):
            for client in clients:
                for _ in range(args.repeats if client.name in OURS else args.peer_repeats):
                    runs.append(run_case(client, kind, case, pace, tokenizer, Path(folder)))
                    (args.output / "client.json").write_text(
                        json.dumps({"conditions": _conditions(args), "runs": [asdict(run) for run in runs]}, indent=1)
                    )
    table = f"{_conditions(args)}\n\n{tables(runs)}"
    (args.output / "client.md").write_text(table)
    print(table)
    if args.page is not None:
        write_measured(args.page, "bench/client/run.py", table)
    return 0


def cases(concurrencies: list[int]) -> list[tuple[str, Case, Pace]]:
    paced = [("paced", Case(c, ROUNDS * c, TOKENS), Pace(0.05, 0.01)) for c in concurrencies]
    return [
        *paced,
        ("tokens", Case(64, 768, 256), Pace(0.0, 0.001, tokens_per_step=4)),
        ("requests", Case(64, 6400, 1), Pace(0.0, 0.001)),
    ]


def run_case(client: Client, kind: str, case: Case, pace: Pace, tokenizer: Path, parent: Path) -> Measured:
    folder = Path(tempfile.mkdtemp(dir=parent))
    with mock_server(pace, folder / "send_log.jsonl") as url:
        argv = client.command(case, url, tokenizer, folder)
        seen = watch(argv, core=CLIENT_CORE, environment=ENVIRONMENT, log=folder / "client.log", timeout_s=TIMEOUT_S)
    log = sorted(read_lines(folder / "send_log.jsonl", SendRecord), key=lambda record: record.received_mono_ns)
    print(f"{kind} {client.name} at {case.concurrency}: {len(log)} requests", file=sys.stderr)
    if seen.returncode != 0 or len(log) < case.requests:
        cause = f"exit code {seen.returncode}, {len(log)} of {case.requests} requests"
        print((folder / "client.log").read_text()[-2000:], file=sys.stderr)
        return Measured(client.name, kind, case.concurrency, failed=cause)
    start_s = (log[0].received_mono_ns - seen.started_mono_ns) / 1e9
    log = log[-case.requests :]  # vllm bench asks once before it begins
    reported = client.read(folder)
    true_ttft_s = [(record.token_mono_ns[0] - record.received_mono_ns) / 1e9 for record in log]
    true_gaps_s = np.concatenate([np.diff(record.token_mono_ns) for record in log]) / 1e9
    has_gaps = kind == "paced" and reported.gaps_s is not None
    begin, end = log[0].received_mono_ns, max(record.token_mono_ns[-1] for record in log)
    # What was answered until the last request came was absorbed: nothing waits in a socket for it.
    absorbed_s = (log[-1].received_mono_ns - begin) / 1e9
    num_absorbed = case.requests - case.concurrency
    cpu_s = seen.cpu_between_s(begin, end)
    return Measured(
        client.name,
        kind,
        case.concurrency,
        ttft_error_ms=(statistics.fmean(reported.ttft_s) - statistics.fmean(true_ttft_s)) * 1e3,
        gap_p99_error_ms=(np.percentile(reported.gaps_s, 99) - np.percentile(true_gaps_s, 99)) * 1e3
        if has_gaps
        else None,
        cpu_us_per_token=cpu_s / (case.requests * case.tokens) * 1e6,
        tokens_per_s=num_absorbed * case.tokens / absorbed_s,
        requests_per_s=num_absorbed / absorbed_s,
        start_s=start_s,
        memory_mb=seen.max_memory_bytes / 1e6,
        num_processes=seen.max_num_processes,
        host_load=os.getloadavg()[0],
    )


@contextmanager
def mock_server(pace: Pace, log: Path):
    command = [
        *("taskset", "-c", str(MOCK_CORE), sys.executable, "-m", "llmdvfs", "mock-server", "--with-parent"),
        *("--log", str(log)),
        *("--ttft-s", str(pace.ttft_s), "--gap-s", str(pace.gap_s), "--tokens-per-step", str(pace.tokens_per_step)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT) as server:
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.send_signal(signal.SIGTERM)


def tables(runs: list[Measured]) -> str:
    """Return the medians as Markdown, and each client's multiple of ours."""
    out = []
    for kind, columns in COLUMNS.items():
        for concurrency in sorted({run.concurrency for run in runs if run.kind == kind}):
            chosen = [run for run in runs if (run.kind, run.concurrency) == (kind, concurrency)]
            out += [f"### {TITLES[kind].format(concurrency)}", ""]
            out += ["| client | runs | " + " | ".join(columns.values()) + " |", "|---" * (len(columns) + 2) + "|"]
            ours = [run for run in chosen if run.client == "llm-dvfs"]
            for name in dict.fromkeys(run.client for run in chosen):
                mine = [run for run in chosen if run.client == name]
                cells = [_cell(mine, ours, column) for column in columns]
                out.append(f"| {name} | {len(mine)} | " + " | ".join(cells) + " |")
            out.append("")
    return "\n".join(out)


TITLES = {
    "paced": "{} streams, 10 ms between tokens, TTFT at least 50 ms",
    "tokens": "As many tokens a second as it can take ({} streams, 4 tokens in each write)",
    "requests": "As many requests a second as it can take ({} streams, one token each)",
}
COLUMNS = {
    "paced": {
        "ttft_error_ms": "TTFT error, ms",
        "gap_p99_error_ms": "gap p99 error, ms",
        "tokens_per_s": "tokens/s",
        "cpu_us_per_token": "CPU, us a token",
        "start_s": "start to first request, s",
        "memory_mb": "memory, MB",
        "num_processes": "processes",
        "host_load": "host load",
    },
    "tokens": {"tokens_per_s": "tokens/s", "cpu_us_per_token": "CPU, us a token"},
    "requests": {"requests_per_s": "requests/s", "cpu_us_per_token": "CPU, us a request"},
}


NO_RATIO = ("gap_p99_error_ms", "num_processes", "host_load")  # ours is near 0; or a ratio says nothing


def _cell(mine: list[Measured], ours: list[Measured], column: str) -> str:
    value, our_value = _median(mine, column), _median(ours, column)
    if value is None:
        failed = next((run.failed for run in mine if run.failed), None)
        return f"failed: {failed}" if failed else "not told"
    if column in NO_RATIO or not our_value or mine == ours:
        return _three_digits(value)
    return f"{_three_digits(value)} ({_three_digits(value / our_value)}x)"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _median(runs: list[Measured], column: str) -> float | None:
    values = [getattr(run, column) for run in runs if getattr(run, column) is not None]
    return statistics.median(values) if values else None


def _conditions(args: argparse.Namespace) -> str:
    return (
        f"{host()}; mock on core {MOCK_CORE}, client on core {CLIENT_CORE}; medians of {args.repeats} runs "
        f"(others {args.peer_repeats}). In brackets: multiples of ours."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-repeats", type=int, default=3)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[32, 128, 256, 512])
    parser.add_argument("--only", nargs="+", help="names of clients")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench")
    parser.add_argument(
        "--page",
        type=marked_page("bench/client/run.py"),
        help="a page with a marked part that the tables replace: docs/client.md",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
