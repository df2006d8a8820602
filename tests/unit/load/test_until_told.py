"""A load that goes on until it is told to end, and tells meanwhile how far it is."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.workloads import workload

from llmdvfs.load.own_error.mock_server import MockServer
from llmdvfs.load.run import JOURNAL, PROGRESS, read_requests
from llmdvfs.records.load import LoadProgress, LoadSpec, parse_progress
from llmdvfs.records.spec import ArrivalSpec
from llmdvfs.records.store import write_record

LIMIT_S = 30.0
ENDLESS = 10**12


@contextmanager
def running(folder: Path, base_url: str, arrival: ArrivalSpec) -> Iterator[subprocess.Popen[str]]:
    """A client under way: some requests of it have ended."""
    load = replace(workload(arrival, num_output=8), num_requests=ENDLESS)
    write_record(folder / "spec.json", LoadSpec(load, base_url, "mock", None, 1, 1, str(folder), until_told=True))
    command = [sys.executable, "-m", "llmdvfs", "load", str(folder / "spec.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        try:
            until(lambda: any(line.num_written > 4 for line in told(folder)))
            yield client
        finally:
            client.kill()


def told(folder: Path) -> list[LoadProgress]:
    path = folder / PROGRESS
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [parse_progress(line) for line in lines]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("arrival", [ArrivalSpec("closed", concurrency=4), ArrivalSpec("poisson", rate_rps=50.0)])
def test_it_ends_when_told_and_answers_what_it_had_asked(
    arrival: ArrivalSpec, mock: Callable[..., MockServer], tmp_path: Path
) -> None:
    with running(tmp_path, f"http://127.0.0.1:{mock().port}", arrival) as client:
        client.send_signal(signal.SIGTERM)
        assert client.wait(LIMIT_S) == 0
        assert client.stdout is not None
        said = client.stdout.read()
    last = told(tmp_path)[-1]
    requests = read_requests(tmp_path / JOURNAL)
    assert all(request.ok for request in requests)
    assert said == f"{len(requests)} requests ended\n"
    assert (last.num_sent, last.num_ended, last.num_ok, last.num_written) == (len(requests),) * 4
    assert last.oldest_mono_ns is None
    assert last.stopped_early is None


def test_what_it_has_told_to_be_written_outlives_it(mock: Callable[..., MockServer], tmp_path: Path) -> None:
    """The journal's buffer went with a killed client: up to 8 KiB of requests that had been reported as written."""
    with running(tmp_path, f"http://127.0.0.1:{mock().port}", ArrivalSpec("closed", concurrency=2)) as client:
        num_written = told(tmp_path)[-1].num_written
        client.kill()
        client.wait(LIMIT_S)
    assert len(read_requests(tmp_path / JOURNAL)) >= num_written > 4


def test_the_oldest_request_in_flight_tells_what_an_operating_point_still_waits_for(
    mock: Callable[..., MockServer], tmp_path: Path
) -> None:
    with running(tmp_path, f"http://127.0.0.1:{mock().port}", ArrivalSpec("closed", concurrency=2)):
        changed = time.monotonic_ns()
        until(lambda: (told(tmp_path)[-1].oldest_mono_ns or 0) > changed)
        line = next(line for line in told(tmp_path) if (line.oldest_mono_ns or 0) > changed)
    assert line.num_sent - line.num_ended <= 2
    assert line.num_reads >= line.num_ended
