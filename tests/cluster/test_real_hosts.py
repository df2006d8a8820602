"""Real vLLM over two hosts that are far apart: prefill here, decode behind ssh, KV by NIXL over a link that is capped.

All of it takes the one link, which takes its time and loses packets: requests, KV cache, the agent's pipe. Needs nixl
where this Python finds it (the wheel of CUDA 12 does without a GPU) and minutes.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, cast

import pytest
from cluster.secure_shell import SecureShell, missing_for_ssh
from fakes.namespaces import TwoHosts, two_hosts, why_no_namespaces
from fakes.spread_study import AHEAD_S
from real.conftest import HERE, WORKFLOW, prompts

WITHOUT = [name for name in ("vllm", "nixl") if importlib.util.find_spec(name) is None]
MISSING = missing_for_ssh() or why_no_namespaces(is_long=True) or (f"no {', '.join(WITHOUT)}" if WITHOUT else None)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.timeout(900),
]

DELAY_S, LOSS_FRACTION, CAP_MBIT_PER_S = 0.005, 0.001, 10
KV_BYTES_PER_TOKEN = 2 * 4 * 2 * 64 * 4  # keys and values; layers, heads, their size; float32
BLOCK = 32
LONG_TOKENS = 4000
CUT_LIMIT_S = 10.0


def test_prefill_here_and_decode_behind_a_long_link(tmp_path: Path) -> None:
    """12 answers are those of one engine; 16 MB of KV go as fast as the cap lets them; the link is cut in the end."""
    asked, (long,) = prompts(12, seed=1), [[7 + n % 2000 for n in range(LONG_TOKENS)]]
    path = os.pathsep.join(filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")]))
    with (
        two_hosts(DELAY_S, LOSS_FRACTION) as hosts,
        SecureShell.started(
            tmp_path / "ssh", hosts.there, hosts.addresses[1], {"PYTHONPATH": path}, ahead_s=AHEAD_S
        ) as shell,
    ):
        hosts.cap(CAP_MBIT_PER_S)
        job = start(tmp_path, hosts, path)
        order = {"addresses": hosts.addresses, "reach": shell.reach, "connector": "nixl"}
        try:
            told = tell(job, order | {"together": asked, "alone": [long], "by_prefill": asked}, tmp_path)
            check_answers(told, [*asked, long])
            check_rate(told)
            check_clock(told["clock"])
            write(job, asked[-1])
            time.sleep(3)
            hosts.cut()
            cut_ns = time.monotonic_ns()
            died = read(job, tmp_path)
            print(died, (died["mono_ns"] - cut_ns) / 1e9)
            assert died["name"] in ("host n1", "link to n1", "link n0 - n1")
            assert died["mono_ns"] - cut_ns < CUT_LIMIT_S * 1e9
            job.wait(120)
            assert shell.left() == []
        finally:
            job.kill()
            job.wait()
            for pipe in (job.stdin, job.stdout):
                cast(IO[str], pipe).close()


def check_answers(told: dict[str, Any], asked: list[list[int]]) -> None:
    """Decode answers as prefill does, which computes everything itself, and has computed no prompt."""
    assert told["together"] == told["by_prefill"]
    assert told["tokens_by_source"]["external_kv_transfer"] == sum(map(len, asked))
    assert told["tokens_by_source"]["local_compute"] == 0
    assert told["devices"] == {"prefill-0": ["n0/cpu"], "decode-0": ["n1/cpu"]}


def check_rate(told: dict[str, Any]) -> None:
    """The engine's own counters, and the stream before the cell, tell the cap; of a packet 3.5 % are heads."""
    moved, path = told["moved_alone"], told["path"]
    print(f"KV {moved['bytes']} B in {moved['seconds']} s = {moved['bytes'] / moved['seconds']} B/s; path {path}")
    assert moved["bytes"] == -(-LONG_TOKENS // BLOCK) * BLOCK * KV_BYTES_PER_TOKEN
    cap = CAP_MBIT_PER_S * 1e6 / 8
    assert path["rate_bytes_per_s"] == pytest.approx(cap, rel=0.1)
    assert 0.9 * cap < moved["bytes"] / moved["seconds"] < cap
    assert path["round_trip_s"] >= 2 * DELAY_S


def check_clock(clock: dict[str, Any]) -> None:
    """The clock there is 5000 s ahead, told over the link and within half of its both ways at least."""
    off_ns = clock["offset_ns"] - AHEAD_S * 10**9
    print(f"clock off by {off_ns / 1e6} ms, bound {clock['bound_ns'] / 1e6} ms")
    assert abs(off_ns) <= clock["bound_ns"]
    assert DELAY_S * 1e9 * 0.99 <= clock["bound_ns"] < 0.2e9


def start(folder: Path, hosts: TwoHosts, python_path: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HERE / "two_hosts_job.py"), str(folder)]
    return subprocess.Popen(
        ["ip", "netns", "exec", hosts.here, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": python_path},
    )


def tell(job: "subprocess.Popen[str]", order: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Give the order, and return what the job tells then."""
    write(job, order)
    return read(job, folder)


def write(job: "subprocess.Popen[str]", line: object) -> None:
    stdin = cast(IO[str], job.stdin)
    stdin.write(json.dumps(line) + "\n")
    stdin.flush()


def read(job: "subprocess.Popen[str]", folder: Path) -> dict[str, Any]:
    line = cast(IO[str], job.stdout).readline()
    assert line, (folder / "progress.log").read_text()
    told: dict[str, Any] = json.loads(line)
    return told
