"""The load generator starts while the sampler does, and sends nothing before it is told to."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from llmdvfs.benchmark.client import LoadClient, load_client
from llmdvfs.clock import mono_ns
from llmdvfs.errors import DataError
from llmdvfs.load.own_error.calibration import mock_server
from llmdvfs.records.load import LoadReport, LoadSpec, SendRecord
from llmdvfs.records.spec import ArrivalSpec, LengthSpec, PromptSpec, WorkloadSpec
from llmdvfs.records.store import read_lines, read_record

SEND_LOG = "send_log.jsonl"
ONE = LengthSpec("fixed", value=1)
WORKLOAD = WorkloadSpec(
    id="two",
    prompts=PromptSpec("random", prompt_tokens=ONE, output_tokens=ONE),
    arrival=ArrivalSpec("closed", concurrency=1),
    num_requests=2,
    duration_s=None,
    num_warmup_requests=1,
)


@contextmanager
def held_client(folder: Path) -> Iterator[LoadClient]:
    """A load of two requests, and one to warm up, that waits; of a real server, which logs what it is sent."""
    with (
        mock_server(ttft_s=0.001, gap_s=0.001, log=folder / SEND_LOG) as base_url,
        load_client(LoadSpec(WORKLOAD, base_url, "mock", None, 0, 0, str(folder)), held=True) as client,
    ):
        client.wait_ready()
        yield client


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3] / "workflow"))


def test_a_held_client_waits_without_cpu_and_sends_once_it_is_told(tmp_path: Path) -> None:
    """Its start was waited for in every cell, with the servers held: 0.4 s of imports after 0.3 s of the sampler's."""
    with held_client(tmp_path) as client:
        process = psutil.Process(client._process.pid)
        time.sleep(0.05)  # from `ready` to the wait for a line
        before = process.cpu_times()
        time.sleep(0.1)
        assert process.cpu_times() == before
        told_mono_ns = mono_ns()
        client.begin()
        deadline_s = time.monotonic() + 30
        while not client.has_ended() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        client.check_ended_well()
    report = read_record(tmp_path / "load_report.json", LoadReport)
    assert report.outcomes == {"ok": 2}
    sent = list(read_lines(tmp_path / SEND_LOG, SendRecord))
    assert len(sent) == 3
    assert min(record.received_mono_ns for record in sent) > told_mono_ns


def test_a_client_that_is_never_told_to_begin_sends_nothing_and_ends_with_its_block(tmp_path: Path) -> None:
    with held_client(tmp_path) as client:
        assert not client.has_ended()
    assert client.has_ended()
    assert list(read_lines(tmp_path / SEND_LOG, SendRecord)) == []


def test_a_client_that_is_killed_while_it_waits_is_told_where_its_end_is_looked_for(tmp_path: Path) -> None:
    with held_client(tmp_path) as client:
        os.kill(client._process.pid, signal.SIGKILL)
        client._process.wait()
        client.begin()
        assert client.has_ended()
        with pytest.raises(DataError, match="ended by SIGKILL"):
            client.check_ended_well()
