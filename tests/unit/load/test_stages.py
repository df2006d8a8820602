"""The load generator's commands, as processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fakes.workloads import workload

from llmdvfs.load.own_error.mock_server import MockServer
from llmdvfs.load.sending.journal import read_journal
from llmdvfs.records.load import LoadReport, LoadSpec, SendRecord
from llmdvfs.records.spec import ArrivalSpec
from llmdvfs.records.store import read_lines, read_record, write_record

LIBRARY = Path(__file__).parents[3] / "workflow"
Mock = Callable[..., MockServer]


def command(*arguments: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "KEY_OF_TEST"}
    return subprocess.Popen(
        [sys.executable, "-m", "llmdvfs", *arguments],
        env=environment | {"PYTHONPATH": str(LIBRARY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> tuple[int, str, str]:
    process = command(*arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def write_spec(folder: Path, server: MockServer, **more: str) -> Path:
    load = workload(ArrivalSpec("closed", concurrency=2), num_requests=6)
    spec = LoadSpec(load, f"http://127.0.0.1:{server.port}", "mock", None, 1, 1, str(folder), **more)
    write_record(folder / "load_spec.json", spec)
    return folder / "load_spec.json"


def test_load_lens_and_export(tmp_path: Path, mock: Mock) -> None:
    code, out, err = run("load", str(write_spec(tmp_path, mock())))
    assert (code, out, err) == (0, "6 ok\n", "")
    assert read_record(tmp_path / "load_report.json", LoadReport).outcomes == {"ok": 6}

    code, out, _ = run("lens", str(tmp_path))
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split("  ")[-1].strip() == "guidellm"
    assert lines[1].split() == ["successes", "6", "6", "6", "6"]

    code, out, _ = run("export", str(tmp_path), "--output", str(tmp_path / "vllm.json"))
    assert (code, out) == (0, f"{tmp_path / 'vllm.json'}\n")
    assert json.loads((tmp_path / "vllm.json").read_text())["completed"] == 6


def test_missing_key_of_an_endpoint_is_named(tmp_path: Path, mock: Mock) -> None:
    code, _, err = run("load", str(write_spec(tmp_path, mock(), api_key_env="KEY_OF_TEST")))
    assert code == 1
    assert "KEY_OF_TEST is empty" in err


def test_mock_server_writes_its_log_when_ended(tmp_path: Path) -> None:
    server = command("mock-server", "--log", str(tmp_path / "log.jsonl"), "--gap-s", "0.002", "--ttft-s", "0.01")
    assert server.stdout is not None
    base_url = server.stdout.readline().split()[-1]
    load = workload(ArrivalSpec("closed", concurrency=1), num_requests=2)
    write_record(tmp_path / "load_spec.json", LoadSpec(load, base_url, "mock", None, 1, 1, str(tmp_path)))
    assert run("load", str(tmp_path / "load_spec.json"))[0] == 0
    server.send_signal(signal.SIGTERM)
    server.communicate(timeout=10)
    log = list(read_lines(tmp_path / "log.jsonl", SendRecord))
    assert [len(record.token_mono_ns) for record in log] == [4, 4]
    assert all(record.token_mono_ns[0] - record.received_mono_ns >= 10_000_000 for record in log)
    assert server.returncode == 0


def test_mock_server_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """A killed benchmark job must not leave a server behind."""
    parent = subprocess.Popen(
        [
            *(sys.executable, "-c", "import subprocess, sys, time; p = subprocess.Popen(sys.argv[1:]); time.sleep(60)"),
            *(sys.executable, "-m", "llmdvfs", "mock-server", "--with-parent", "--log", str(tmp_path / "log.jsonl")),
        ],
        env=os.environ | {"PYTHONPATH": str(LIBRARY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().startswith("listening")
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == ""  # returns when the server, which inherited the pipe, has ended too
    assert (tmp_path / "log.jsonl").exists()
    parent.stdout.close()


def test_a_killed_load_leaves_no_result_that_looks_whole(tmp_path: Path, mock: Mock) -> None:
    server = mock(ttft_s=30.0)
    process = command("load", str(write_spec(tmp_path, server)))
    deadline = time.monotonic() + 20
    while not (tmp_path / "journal.bin").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.kill()
    process.communicate()
    assert not (tmp_path / "requests.jsonl").exists()
    assert not (tmp_path / "load_report.json").exists()
    assert list(read_journal(tmp_path / "journal.bin")) == []
