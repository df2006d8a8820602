"""An endpoint that only chats is measured as far as its kind goes: a whole cell, by the job as Snakemake starts it."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from fakes.scripted_server import DONE, END, SSE_HEAD, Action, Asked, chunk, delta, scripted_server, usage

from llmdvfs.host.child import library_environment
from llmdvfs.models.tiny import write_tiny_model
from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import read_lines, write_record
from llmdvfs.serving.planned import plan_launch

NUM_TOKENS = 3
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def chats(asked: Asked) -> Iterable[Action]:
    """Answer chats with so many tokens as they ask for, and nothing else."""
    if asked.path != "/v1/chat/completions":
        return [NOT_FOUND]
    num_tokens = asked.body["max_completion_tokens"]
    tokens = [chunk(delta(content=" a")) for _ in range(num_tokens - 1)]
    return [SSE_HEAD, *tokens, chunk(delta("length", content=" a"), usage(num_tokens), DONE), END]


def test_a_cell_of_an_endpoint_that_only_chats_is_measured(tmp_path: Path) -> None:
    """Its first request was a completion, which it does not have: no cell of it could be measured."""
    write_tiny_model(tmp_path / "model", 0)
    workload = {
        "endpoint": "chat",
        "prompts": {"prompt_tokens": 8, "output_tokens": NUM_TOKENS},
        "arrival": {"kind": "closed", "concurrency": 1},
        "num_requests": 2,
    }
    with scripted_server(chats) as url:
        given = {
            "architectures": ["external"],
            "models": {"m": {"source": "path", "location": str(tmp_path / "model")}},
            "serving": {"base_url": url},
            "workloads": {"chat": workload},
            "measure": {"idle_s": 0.1, "calibrate_client": False},
            "results": str(tmp_path / "results"),
            "launches": 1,
        }
        study = make_study(complete_config(given), lambda python: {})
        (deployment,), (planned,) = study.deployments.values(), pending_launches(study)
        write_record(tmp_path / "launch.json", plan_launch(deployment, tmp_path))
        write_record(tmp_path / "job.json", planned.job)
        command = [sys.executable, "-m", "llmdvfs", "benchmark", "--launch", "launch.json", "--job", "job.json"]
        done = subprocess.run(
            [*command, "--results", "results", "--log", "benchmark.log"],
            cwd=tmp_path,
            env=library_environment({"LLMDVFS_LOCK_FOLDER": str(tmp_path)}),
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (requests,) = tmp_path.glob("results/store/*/requests.jsonl")
    records = list(read_lines(requests, RequestRecord))
    assert [(record.outcome, record.num_output_tokens) for record in records] == [("ok", NUM_TOKENS)] * 2
