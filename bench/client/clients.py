"""How each client is told to run the same closed loop, and where it says what it saw."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from llmdvfs.records.load import LoadSpec
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec
from llmdvfs.records.store import read_lines, write_record

HERE = Path(__file__).parent
VENVS = HERE / ".venvs"
LOCKS = (HERE / "locks" / "aiperf.txt", HERE / "locks" / "guidellm.txt")
PROMPT_TOKENS = 64


@dataclass(frozen=True)
class Case:
    """A closed loop of `requests` requests at one concurrency."""

    concurrency: int
    requests: int
    tokens: int


@dataclass(frozen=True)
class Reported:
    """What a client says it saw. gaps_s None: it keeps no single gaps."""

    ttft_s: list[float]
    gaps_s: list[float] | None


@dataclass(frozen=True)
class Client:
    name: str
    command: Callable[[Case, str, Path, Path], list[str]]
    """(case, URL, tokenizer folder, output folder) -> argv"""
    read: Callable[[Path], Reported]


def _ours(case: Case, url: str, tokenizer: Path, folder: Path) -> list[str]:
    lengths = (LengthSpec("fixed", value=PROMPT_TOKENS), LengthSpec("fixed", value=case.tokens))
    workload = WorkloadSpec(
        id="bench",
        prompts=PromptSpec("random", prompt_tokens=lengths[0], output_tokens=lengths[1]),
        arrival=ArrivalSpec("closed", concurrency=case.concurrency),
        num_requests=case.requests,
        duration_s=None,
    )
    write_record(folder / "load_spec.json", LoadSpec(workload, url, "mock", str(tokenizer), 1, 1, str(folder)))
    return [sys.executable, "-m", "llmdvfs", "load", str(folder / "load_spec.json")]


def _ours_unprivileged(case: Case, url: str, tokenizer: Path, folder: Path) -> list[str]:
    """Without the right to real-time scheduling, as the peers run: what is left is the design."""
    drop = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"] if os.geteuid() == 0 else []
    return [*drop, *_ours(case, url, tokenizer, folder)]


def _read_ours(folder: Path) -> Reported:
    records = [r for r in read_lines(folder / "requests.jsonl", RequestRecord) if r.ok]
    ttft_s = [(r.chunk_mono_ns[0] - (r.sent_mono_ns or 0)) / 1e9 for r in records]
    return Reported(ttft_s, [gap / 1e9 for r in records for gap in _gaps(r.chunk_mono_ns)])


def _script(name: str) -> Callable[[Case, str, Path, Path], list[str]]:
    """A client of a few lines in this folder."""

    def command(case: Case, url: str, tokenizer: Path, folder: Path) -> list[str]:
        return [
            *(sys.executable, str(HERE / name), "--url", url, "--output", str(folder / "seen.json")),
            *("--concurrency", str(case.concurrency), "--requests", str(case.requests), "--tokens", str(case.tokens)),
        ]

    return command


def _read_script(folder: Path) -> Reported:
    seen = json.loads((folder / "seen.json").read_text())
    return Reported([one["ttft_s"] for one in seen], [gap for one in seen for gap in one["gaps_s"]])


def _vllm(case: Case, url: str, tokenizer: Path, folder: Path) -> list[str]:
    return [
        *(sys.executable, str(HERE / "vllm_client.py"), "--backend", "openai", "--base-url", url, "--model", "mock"),
        *("--tokenizer", str(tokenizer), "--dataset-name", "random", "--random-input-len", str(PROMPT_TOKENS)),
        *("--random-output-len", str(case.tokens), "--num-prompts", str(case.requests), "--ignore-eos"),
        *("--max-concurrency", str(case.concurrency), "--save-result", "--save-detailed", "--disable-tqdm"),
        *("--result-dir", str(folder), "--result-filename", "vllm.json"),
    ]


def _read_vllm(folder: Path) -> Reported:
    result = json.loads((folder / "vllm.json").read_text())
    return Reported(result["ttfts"], [gap for gaps in result["itls"] for gap in gaps])


def _aiperf(case: Case, url: str, tokenizer: Path, folder: Path) -> list[str]:
    return [
        *(str(VENVS / "aiperf/bin/aiperf"), "profile", "--model", "mock", "--url", url, "--streaming", "--ui", "none"),
        *("--endpoint-type", "completions", "--concurrency", str(case.concurrency), "--isl", str(PROMPT_TOKENS)),
        *("--request-count", str(case.requests), "--osl", str(case.tokens), "--tokenizer", str(tokenizer)),
        *("--use-server-token-count", "--use-legacy-max-tokens", "--no-gpu-telemetry", "--no-server-metrics"),
        *("--artifact-dir", str(folder)),
    ]


def _read_aiperf(folder: Path) -> Reported:
    lines = (folder / "profile_export.jsonl").read_text().splitlines()
    metrics = [json.loads(line)["metrics"] for line in lines]
    gaps_ms = [gap for one in metrics for gap in one.get("inter_chunk_latency", {"value": []})["value"]]
    return Reported([one["time_to_first_token"]["value"] / 1e3 for one in metrics], [gap / 1e3 for gap in gaps_ms])


def _guidellm(case: Case, url: str, tokenizer: Path, folder: Path) -> list[str]:
    return [
        *(str(VENVS / "guidellm/bin/guidellm"), "run", "--disable-console"),
        *("--backend", f"kind=openai_http,target={url},model=mock"),
        *("--profile", f"kind=concurrent,streams={case.concurrency}"),
        *("--constraint", f"kind=max_requests,count={case.requests}"),
        *("--tokenizer", f"kind=hf_auto,model={tokenizer}"),
        *("--data", f"kind=synthetic_text,prompt_tokens={PROMPT_TOKENS},output_tokens={case.tokens}"),
        *("--output", f"kind=json,path={folder / 'guidellm.json'}"),
    ]


def _read_guidellm(folder: Path) -> Reported:
    [run] = json.loads((folder / "guidellm.json").read_text())["benchmarks"]
    return Reported([one["time_to_first_token_ms"] / 1e3 for one in run["requests"]["successful"]], None)


def _gaps(instants: Iterable[int]) -> list[int]:
    return [after - before for before, after in pairwise(instants)]


CLIENTS = (
    Client("llm-dvfs", _ours, _read_ours),
    Client("llm-dvfs, normal priority", _ours_unprivileged, _read_ours),
    Client("floor", _script("floor_client.py"), _read_script),
    Client("aiohttp loop", _script("naive_client.py"), _read_script),
    Client("vllm bench", _vllm, _read_vllm),
    Client("aiperf", _aiperf, _read_aiperf),
    Client("guidellm", _guidellm, _read_guidellm),
)
