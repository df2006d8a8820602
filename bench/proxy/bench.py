"""What the proxy adds to latency, and its CPU, against the same servers without it and against vllm-router.

    python bench/proxy/bench.py [--streams 1 64 256] [--paths balanced disaggregated] [--only llm-dvfs vllm-router]
                                [--before CHECKOUT] [--in-step] [--repeats 3] [--add] [--page docs/proxy.md]

A scripted server sends tokens at known times and logs when each went out; the workflow's load generator asks it
directly, and through each router: as the balancer before it, and with a scripted prefill instance asked first; `direct`
is the load generator as its own router (serving.route). A figure is a percentile of what the client saw minus what the
servers took, request by request (TTFT) or token by token (gaps); the row "no router" is then the error of the client,
and is taken off the others. CPU is that of the router's processes while the load ran.

Answers differ in length, as those of users do. With `--in-step` they are of one length, so that all streams end in one
step of the server and ask again at once: what such a burst costs, which depends on how it begins.

Servers and client share one core, the router has another to itself. Routers and the prefill instance run at real-time
priority where that is allowed: no slice of another program is then part of what a router adds. vllm-router is installed
once, from locks/, into .venvs/. `before` is the proxy of another checkout of this project. All rows take thirteen
minutes; with `--add` they may be run in parts. Writes proxy.json, after each run, and proxy.md into --output.
"""

import argparse
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(Path(__file__).parent)]
os.environ["PYTHONPATH"] = str(ROOT / "workflow")

from added import Measured, figures, own_times, store, stored  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402
from peers import installed  # noqa: E402
from proxy_page import IN_STEP, NO_ROUTER, PEER, TITLES, above, tables  # noqa: E402
from routers import ROUTERS, VLLM_ROUTER, Router, Site, before, route_of  # noqa: E402

from llmdvfs.load.own_error.calibration import mock_server  # noqa: E402
from llmdvfs.records.load import LoadSpec, SendRecord  # noqa: E402
from llmdvfs.records.request import RequestRecord  # noqa: E402
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec  # noqa: E402
from llmdvfs.records.store import read_lines, write_record  # noqa: E402
from llmdvfs.serving.instance.http import post  # noqa: E402
from llmdvfs.serving.instance.ports import reserved  # noqa: E402

OTHERS_CORE, ROUTER_CORE = 0, 1
PROMPT_TOKENS, TOKENS = 64, 64
LEAST_TOKENS, MOST_TOKENS = 32, 96
"""Of an answer, evenly drawn, where streams are not to be in step: TOKENS on average."""
TTFT_S, GAP_S, PREFILL_S = 0.05, 0.01, 0.02
LOAD_S = 6.0
FEW_STREAMS = 8
TOKENS_OF_FEW, LOAD_OF_FEW_S = 8, 12.0
"""Of loads with up to FEW_STREAMS streams: with longer answers one stream would have ten first tokens a run."""
READY_LIMIT_S = 60.0


def main() -> int:
    """Measure all rows and print the tables."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that its servers and router end too
    os.sched_setaffinity(0, {OTHERS_CORE})  # and with it everything started from here, but for the routers
    known = [*ROUTERS, before(args.before)] if args.before else ROUTERS
    routers = [router for router in known if not args.only or router.name in args.only]
    if any(router.name == PEER for router in routers):
        installed(VLLM_ROUTER)
    args.output.mkdir(parents=True, exist_ok=True)
    conditions = f"{host()}; {_conditions()}"
    runs = stored(args.output / "proxy.json") if args.add else []
    for num_streams in args.streams:
        rows: list[tuple[str, Router | None]] = [("balanced", None)]
        rows += [(path, router) for path in args.paths for router in routers]
        for path, router in rows * args.repeats:  # in turns: what else the host does falls on all of them
            runs.append(measure(path, router, num_streams, in_step=args.in_step))
            store(args.output / "proxy.json", conditions, runs)
            print(runs[-1], file=sys.stderr)
    text = f"{conditions}\n\n{tables(runs)}\n{above(runs)}"
    (args.output / "proxy.md").write_text(text)
    print(text)
    if args.page is not None:
        write_measured(args.page, "bench/proxy/bench.py", text)
    return 0


def measure(path: str, router: Router | None, num_streams: int, *, in_step: bool) -> Measured:
    """Run the load once."""
    spec = workload(num_streams, in_step=in_step)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as running:
        folder = Path(name)
        send_log, prefill_log = folder / "send_log.jsonl", folder / "prefill_log.jsonl"
        with contextlib.ExitStack() as servers:
            decode = servers.enter_context(mock_server(ttft_s=TTFT_S, gap_s=GAP_S, log=send_log))
            prefill = servers.enter_context(prefill_server(prefill_log)) if path == "disaggregated" else None
            url, own = running.enter_context(serving(router, decode, prefill, folder))
            is_direct = router is not None and router.command is None
            route = route_of(Site(decode, prefill, 0, folder)) if is_direct else None
            load = LoadSpec(spec, url, "mock", None, 0, 0, str(folder), route=route)
            write_record(folder / "load_spec.json", load)
            before_s = _cpu_s(own)
            client = [sys.executable, "-m", "llmdvfs", "load", str(folder / "load_spec.json")]
            subprocess.run(client, check=True, stdout=subprocess.DEVNULL)
            cpu_s = _cpu_s(own) - before_s
            running.close()
        requests = list(read_lines(folder / "requests.jsonl", RequestRecord))
        sent = list(read_lines(send_log, SendRecord))
        prefilled = [json.loads(line) for line in prefill_log.open()] if prefill else []
    num_tokens = sum(len(record.token_mono_ns) for record in sent)
    per_1000 = cpu_s * 1e3 / num_tokens * 1000 if own else None
    return Measured(
        path,
        router.name if router else NO_ROUTER,
        num_streams,
        in_step,
        **figures(requests, list(own_times(requests, sent, prefilled, spec))),
        cpu_ms_per_1000_tokens=per_1000,
        host_load=os.getloadavg()[0],
    )


def workload(num_streams: int, *, in_step: bool) -> WorkloadSpec:
    """A closed loop of about LOAD_S; its warm-up opens every connection. in_step: all answers are of one length."""
    is_few = num_streams <= FEW_STREAMS
    tokens, load_s = (TOKENS_OF_FEW, LOAD_OF_FEW_S) if is_few else (TOKENS, LOAD_S)
    rounds = max(3, round(load_s / (TTFT_S + tokens * GAP_S)))
    equal, drawn = LengthSpec("fixed", value=tokens), LengthSpec("uniform", low=LEAST_TOKENS, high=MOST_TOKENS)
    prompts = PromptSpec("random", LengthSpec("fixed", value=PROMPT_TOKENS), equal if is_few or in_step else drawn)
    arrival = ArrivalSpec("closed", concurrency=num_streams)
    return WorkloadSpec("bench", prompts, arrival, rounds * num_streams, None, num_warmup_requests=num_streams)


@contextlib.contextmanager
def prefill_server(log: Path) -> Iterator[str]:
    """Run the scripted prefill instance; its log is there after the block."""
    program = str(Path(__file__).parent / "prefill_server.py")
    argv = [*first(), sys.executable, program, str(log), "--answer-s", str(PREFILL_S)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def serving(
    router: Router | None, decode: str, prefill: str | None, folder: Path
) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Run a router on its core until it serves; yield its base URL and processes.

    Where there is no router, or it is the client itself: the decode instance's URL.
    """
    if router is None or router.command is None:
        yield decode, []
        return
    with reserved("127.0.0.1") as port, (folder / "router.log").open("w") as log:
        argv = ["taskset", "-c", str(ROUTER_CORE), *first(), *router.command(Site(decode, prefill, port, folder))]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            ask = {"model": "mock", "prompt": [1, 2, 3], "max_tokens": 1, "stream": True}
            deadline = time.monotonic() + READY_LIMIT_S
            while not post(f"{url}/v1/completions", ask, 5).ok:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{router.name} does not serve: {(folder / 'router.log').read_text()[-2000:]}")
                time.sleep(0.1)
            whole = psutil.Process(process.pid)
            yield url, [whole, *whole.children(recursive=True)]
        finally:
            process.terminate()
            process.wait(20)


@functools.cache
def first() -> tuple[str, ...]:
    """Return what to write before a command that is to run at real-time priority; nothing where that is not allowed."""
    command = ("chrt", "--rr", "1")
    is_allowed = subprocess.run([*command, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0
    return command if is_allowed else ()


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _conditions() -> str:
    return (
        f"router on core {ROUTER_CORE}{' at real-time priority' if first() else ''}, servers and client on core "
        f"{OTHERS_CORE}; {LEAST_TOKENS} to {MOST_TOKENS} tokens an answer ({TOKENS} with {IN_STEP}, "
        f"{TOKENS_OF_FEW} with one stream), {GAP_S * 1e3:g} ms between them, closed loop of about {LOAD_S:g} s "
        f"({LOAD_OF_FEW_S:g} with one stream); medians of runs, those "
        f"of one number of streams in turns; "
        f"{next(pin for pin in VLLM_ROUTER.read_text().split() if pin.startswith('vllm-router=='))}."
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--paths", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--only", nargs="+", help="names of routers")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="a row of that checkout's proxy")
    parser.add_argument("--in-step", action="store_true", help="answers of one length")
    parser.add_argument("--add", action="store_true", help="add to the runs that proxy.json has")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench")
    parser.add_argument(
        "--page",
        type=marked_page("bench/proxy/bench.py"),
        help="a page with a marked part that the tables replace: docs/proxy.md",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
