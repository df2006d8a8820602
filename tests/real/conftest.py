"""Real vLLM on this machine's CPU; servers are started as few times as the tests allow."""

import contextlib
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llmdvfs.serving.instance.diagnosis import diagnose, last_error_line
from llmdvfs.serving.instance.http import get, post
from llmdvfs.serving.instance.scrape import scrape
from llmdvfs.serving.lifetime import is_alive

HERE = Path(__file__).parent
WORKFLOW = HERE.parents[1] / "workflow"
READY_LIMIT_S = 300
ANSWER_LIMIT_S = 120
BEHIND_OTHERS = ("nice", "-n", "10")
"""Before a command that starts engines: their starts compute, and tests that run beside them keep time."""
NUM_TOKENS = 24
# Lengths around the blocks of 32 tokens, which are the unit of transfer, and everything up to 2000.
EDGES = [17, 31, 32, 33, 34, 63, 64, 65, 66, 2000]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)
            if importlib.util.find_spec("vllm") is None:
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed in this Python"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell beside a failed test why its servers died, or their last errors: nobody sees their logs afterwards."""
    report = yield
    jobs = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Job)]
    if report.failed:
        for log in (path for job in jobs for path in sorted((job.folder / "logs").rglob("*.log"))):
            text = log.read_text(errors="replace")
            report.sections.append((log.name, str(diagnose(text) or last_error_line(text))))
    return report


@dataclass
class Job:
    """A running job and what it told."""

    process: subprocess.Popen[str]
    facts: dict[str, Any]
    folder: Path

    @property
    def base_url(self) -> str:
        url: str = self.facts["base_url"]
        return url

    def next_event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "progress.log").read_text()
        event: dict[str, Any] = json.loads(line)
        return event


@contextlib.contextmanager
def job(architecture: str, folder: Path, *how: str) -> Iterator[Job]:
    """Start a job and wait until its servers are ready."""
    with (folder / "stderr.log").open("w") as errors:
        process = subprocess.Popen(
            [*BEHIND_OTHERS, sys.executable, str(HERE / "job.py"), architecture, str(folder), *how],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "stderr.log").read_text()[-3000:]
        yield Job(process, json.loads(line), folder)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        process.stdout.close()


def shared_memory(pids: list[int]) -> set[Path]:
    """Return the files of /dev/shm that processes have mapped."""
    words = " ".join(Path(f"/proc/{pid}/maps").read_text() for pid in pids if is_alive(pid)).split()
    return {Path(word) for word in words if word.startswith("/dev/shm/")}


def prompts(count: int, seed: int) -> list[list[int]]:
    """Return unique prompts of 17 to 2000 token ids."""
    numbers = random.Random(seed)
    lengths = EDGES[:count] + [numbers.randint(17, 2000) for _ in range(count - len(EDGES))]
    return [[numbers.randrange(5, 2048) for _ in range(length)] for length in lengths]


def ask(base_url: str, prompt: list[int]) -> list[int]:
    """Return the greedy answer's token ids."""
    body = {
        "model": "tiny",
        "prompt": prompt,
        "max_tokens": NUM_TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "return_token_ids": True,
    }
    answer = post(f"{base_url}/v1/completions", body, ANSWER_LIMIT_S)
    assert answer.ok, answer.body
    tokens: list[int] = json.loads(answer.body)["choices"][0]["token_ids"]
    return tokens


def ask_all(base_url: str, many: list[list[int]], at_once: int) -> list[list[int]]:
    """Return the answers in the order of the prompts."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda prompt: ask(base_url, prompt), many))


def tokens_by_source(base_url: str) -> dict[str, float]:
    """Return where an instance's prompt tokens came from, by source."""
    samples = scrape({"it": base_url}).instances["it"]
    assert samples is not None
    return {
        name.split('source="')[1].split('"')[0]: value
        for name, value in samples.items()
        if name.startswith("vllm:prompt_tokens_by_source_total")
    }


def num_generated(base_url: str) -> float | None:
    """Return how many output tokens an instance has made; None: it was too busy to say."""
    samples = scrape({"it": base_url}).instances["it"]
    if samples is None:
        return None
    return sum(value for name, value in samples.items() if name.startswith("vllm:generation_tokens_total"))


@dataclass
class Answers:
    """What two single servers and the balancer before them answered."""

    single: list[list[int]]
    balanced: list[list[int]]
    balanced_at_once: list[list[int]]
    served: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="session")
def forty() -> list[list[int]]:
    return prompts(40, seed=1)


@pytest.fixture(scope="session")
def answers(forty: list[list[int]], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Ask one server alone, then both through the balancer; they are stopped before other servers start."""
    with job("replicated-2", tmp_path_factory.mktemp("replicated")) as replicated:
        first, second = replicated.facts["instances"].values()
        # Two servers share the work; each answer is still one single server's.
        with ThreadPoolExecutor(2) as pool:
            halves = pool.map(
                lambda part: ask_all(part[0], part[1], at_once=1), [(first, forty[0::2]), (second, forty[1::2])]
            )
        even, odd = halves
        single = [answer for pair in zip(even, odd, strict=True) for answer in pair]
        before = json.loads(get(f"{replicated.base_url}/stats", 5).body)["instances"]
        balanced = ask_all(replicated.base_url, forty, at_once=1)
        at_once = ask_all(replicated.base_url, forty, at_once=16)
        after = json.loads(get(f"{replicated.base_url}/stats", 5).body)["instances"]
    served = {name: after[name]["served"] - before[name]["served"] for name in after}
    return Answers(single, balanced, at_once, served)


@pytest.fixture(scope="session")
def disaggregated(answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """Two prefill servers and one decode server (after `answers`, so that never more than three servers run).

    They are prepared, and those of `answers` are not: their answers are compared.
    """
    with job("disaggregated-2p1d", tmp_path_factory.mktemp("disaggregated"), "prepared") as running:
        yield running
