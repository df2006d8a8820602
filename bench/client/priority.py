"""What real-time priority costs the client and what it brings, told apart within one load.

    python bench/client/priority.py [--concurrency 32 128 512] [--duration-s 20] [--page docs/client.md]

Two runs of one client differ by more than its priority: by where its memory lies, by what else the host does. So one
load runs, and its priority is changed from outside every half second, in an order drawn beforehand. A period's CPU is
the kernel's own count of the thread (schedstat), its tokens and their lateness are the mock's send log beside the
client's stamps. The places: `alone` is the mock on one core and the client on another, `beside` has a program that
never rests on the client's core, `together` has mock and client on one core. Needs the right to set priorities.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench"), str(Path(__file__).parent)]

from page import host, marked_page, write_measured  # noqa: E402
from run import CLIENT_CORE, ENVIRONMENT, MOCK_CORE, Pace, mock_server  # noqa: E402

from llmdvfs.models.resolve import resolve_model  # noqa: E402
from llmdvfs.records.load import LoadSpec, SendRecord  # noqa: E402
from llmdvfs.records.request import RequestRecord  # noqa: E402
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, ModelSpec, PromptSpec, WorkloadSpec  # noqa: E402
from llmdvfs.records.store import read_lines, write_record  # noqa: E402

PERIOD_S = 0.5
PACE = Pace(ttft_s=0.05, gap_s=0.01)
LENGTHS = LengthSpec("uniform", low=64, high=192)
"""Of answers: with lengths that are alike all streams would end, and begin, in the same periods."""
PLACES = ("alone", "beside", "together")
POLICIES = {"real time": os.SCHED_RR, "normal": os.SCHED_OTHER}


@dataclass(frozen=True)
class Usage:
    """What the kernel has counted of the client's thread, up to an instant."""

    mono_ns: int
    cpu_ns: int
    waited_ns: int
    """For a core, while it was ready to run."""
    num_turns: int
    """On a core: one more each time that it was given one."""


@dataclass(frozen=True)
class Period:
    """A stretch of the load at one priority."""

    policy: str
    begin: Usage
    end: Usage


def main() -> int:
    """Measure all rows and print the table."""
    args = _arguments()
    os.sched_setaffinity(0, {MOCK_CORE})
    lines = [HEADER, "|---" * (HEADER.count("|") - 1) + "|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = Path(resolve_model(ModelSpec("tiny", "tiny", ""), folder / "models"))
        for place in args.places:
            for num_streams in args.concurrency:
                periods, lateness = measure(place, num_streams, args.duration_s, tokenizer, folder)
                lines += rows(place, num_streams, periods, lateness)
                print("\n".join(lines[-2:]), file=sys.stderr)
    table = f"{host()}; medians over periods of {PERIOD_S:g} s of one load of {args.duration_s:g} s a row pair.\n\n"
    table += "\n".join(lines) + "\n"
    print(table)
    if args.page is not None:
        write_measured(args.page, "bench/client/priority.py", table)
    return 0


def measure(
    place: str, num_streams: int, duration_s: float, tokenizer: Path, parent: Path
) -> tuple[list[Period], np.ndarray]:
    """Run one load; return its periods and a row a token: when the mock sent it [ns], how late it was stamped [ns]."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    core = MOCK_CORE if place == "together" else CLIENT_CORE
    with contextlib.ExitStack() as running:
        url = running.enter_context(mock_server(PACE, folder / "send_log.jsonl"))
        if place == "beside":
            running.enter_context(never_resting(core))
        write_record(folder / "load_spec.json", load(num_streams, duration_s, url, tokenizer, folder))
        argv = [sys.executable, "-m", "llmdvfs", "load", str(folder / "load_spec.json")]
        client = subprocess.Popen(["taskset", "-c", str(core), *argv], env=os.environ | ENVIRONMENT)
        periods = list(changed_priorities(client, duration_s))
        if client.wait(60) != 0:
            raise SystemExit(f"the load ended with exit code {client.returncode}")
    sent = {record.request_id: record.token_mono_ns for record in read_lines(folder / "send_log.jsonl", SendRecord)}
    pairs = [
        np.column_stack([sent[record.request_id], np.subtract(record.chunk_mono_ns, sent[record.request_id])])
        for record in read_lines(folder / "requests.jsonl", RequestRecord)
        if record.ok and len(record.chunk_mono_ns) == len(sent[record.request_id])  # two tokens in one read: no pairs
    ]
    return periods, np.concatenate(pairs)


def load(num_streams: int, duration_s: float, url: str, tokenizer: Path, folder: Path) -> LoadSpec:
    """Return a closed loop of so long."""
    workload = WorkloadSpec(
        id="bench",
        prompts=PromptSpec("random", prompt_tokens=LengthSpec("fixed", value=64), output_tokens=LENGTHS),
        arrival=ArrivalSpec("closed", concurrency=num_streams),
        num_requests=None,
        duration_s=duration_s,
    )
    return LoadSpec(workload, url, "mock", str(tokenizer), 1, 1, str(folder))


@contextlib.contextmanager
def never_resting(core: int) -> Iterator[None]:
    """Run a program that computes all the time on a core."""
    process = subprocess.Popen(["taskset", "-c", str(core), sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def changed_priorities(client: "subprocess.Popen[bytes]", duration_s: float) -> Iterator[Period]:
    """Change the priority of a client that is about to begin; yield each period after its end."""
    while os.sched_getscheduler(client.pid) == os.SCHED_OTHER:  # the load has begun when it asks for its own
        if client.poll() is not None:
            raise SystemExit("the client ended, or was not granted real-time priority")
        time.sleep(0.01)
    number = int(duration_s / PERIOD_S) - 2  # the last tokens come after the load's duration, the last period before it
    order = list(POLICIES) * (number // 2)
    random.Random(1).shuffle(order)
    begin: Usage | None = None
    for policy in order:
        os.sched_setscheduler(client.pid, POLICIES[policy], os.sched_param(int(policy == "real time")))
        begin = begin or usage(client.pid)
        time.sleep(PERIOD_S)
        end = usage(client.pid)
        yield Period(policy, begin, end)
        begin = replace(end)


def usage(pid: int) -> Usage:
    """Return what the kernel has counted (Documentation/scheduler/sched-stats.rst: /proc/<pid>/schedstat)."""
    cpu_ns, waited_ns, num_turns = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())
    return Usage(time.monotonic_ns(), cpu_ns, waited_ns, num_turns)


HEADER = (
    "| place | streams | priority | periods | CPU, us a token | turns on a core per 1,000 tokens "
    "| wait for a core, us a turn | token stamped after, ms: p50 | p99 | p99.9 |"
)


def rows(place: str, num_streams: int, periods: list[Period], lateness: np.ndarray) -> Iterator[str]:
    """Yield a line a priority."""
    for policy in POLICIES:
        mine = [period for period in periods if period.policy == policy]
        inside = [
            lateness[(lateness[:, 0] >= period.begin.mono_ns) & (lateness[:, 0] < period.end.mono_ns), 1]
            for period in mine
        ]
        num_tokens = [len(tokens) for tokens in inside]
        used = [(each.end.cpu_ns - each.begin.cpu_ns) / 1e3 for each in mine]
        turns = [each.end.num_turns - each.begin.num_turns for each in mine]
        waited = [(each.end.waited_ns - each.begin.waited_ns) / 1e3 for each in mine]
        late = np.percentile(np.concatenate(inside), [50, 99, 99.9]) / 1e6
        cpu = np.divide(used, num_tokens)
        spread = np.percentile(cpu, [25, 75])
        yield (
            f"| {place} | {num_streams} | {policy} | {len(mine)} "
            f"| {np.median(cpu):.2f} ({spread[0]:.2f} to {spread[1]:.2f}) "
            f"| {np.median(np.divide(turns, num_tokens)) * 1e3:.0f} | {np.median(np.divide(waited, turns)):.1f} "
            f"| {late[0]:.3f} | {late[1]:.2f} | {late[2]:.2f} |"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--duration-s", type=float, default=20)
    parser.add_argument(
        "--page",
        type=marked_page("bench/client/priority.py"),
        help="a page with a marked part that the table replaces: docs/client.md",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
