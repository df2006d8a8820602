"""Cells over two hosts that are reached by real ssh: a real sshd in a network namespace. Engines are scripted.

The pipe to the agent goes over the same link as everything else: late, and with packets lost.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.secure_shell import SecureShell, missing_for_ssh
from fakes.namespaces import two_hosts, why_no_namespaces
from fakes.spread_study import AHEAD_S, WORKFLOW, SpreadStudy
from fakes.vllm_server import python_with_fake_vllm

from llmdvfs.records.places import RAW
from llmdvfs.records.raw import read_raw
from llmdvfs.records.run import RunRecord

MISSING = missing_for_ssh() or why_no_namespaces(is_long=True)
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]

DELAY_S, LOSS_FRACTION = 0.01, 0.005
LIMIT_S = 240.0
WORKLOAD = {
    "prompts": {"source": "random", "prompt_tokens": 64, "output_tokens": 16},
    "arrival": {"kind": "closed", "concurrency": 2},
    "num_warmup_requests": 1,
}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[SecureShell, SpreadStudy]]:
    """A host behind a long link, with a clock that is ahead, and a study over it and this one."""
    monkeypatch.setenv("FAKE_VLLM", str(tmp_path))
    there = {"PYTHONPATH": str(WORKFLOW), "FAKE_VLLM": str(tmp_path)}
    with (
        two_hosts(DELAY_S, LOSS_FRACTION) as hosts,
        SecureShell.started(tmp_path / "ssh", hosts.there, hosts.addresses[1], there, ahead_s=AHEAD_S) as running,
    ):
        yield running, SpreadStudy(tmp_path, hosts, python_with_fake_vllm(tmp_path), running.reach)


def test_a_cell_over_ssh(shell: tuple[SecureShell, SpreadStudy]) -> None:
    """The clock there is found by questions that take 10 ms each way: it is inside the bound, which those ways are in.

    An exchange takes 20 ms on the way, so no bound can be below half of that.
    """
    server, study = shell
    job = study.start(study.config(WORKLOAD | {"duration_s": 5}))
    told, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 0, told + server.log()
    assert "Accepted publickey for root" in server.log()
    cell = read_raw(study.cell / RAW)
    assert {request.outcome for request in cell.requests} == {"ok"}
    assert len(cell.readings.of("n1/cpu")) > 20
    check_clock(cell.run)
    (path,) = cell.run.host_paths
    assert 2 * DELAY_S <= path.round_trip_s < 0.1
    assert server.left() == []


def check_clock(run: RunRecord) -> None:
    """The other clock lies inside a bound that is half of the link's both ways at least, and no second."""
    (clock,) = (host.clock for host in run.hosts if host.name == "n1")
    assert clock is not None
    print(f"offset off by {(clock.offset_ns - AHEAD_S * 10**9) / 1e6} ms, bound {clock.bound_ns / 1e6} ms")
    assert abs(clock.offset_ns - AHEAD_S * 10**9) <= clock.bound_ns
    assert clock.least_delay_ns >= 2 * DELAY_S * 1e9
    assert DELAY_S * 1e9 * 0.99 <= clock.bound_ns < 0.2e9


def test_a_cut_link_takes_pipe_and_network_at_once(shell: tuple[SecureShell, SpreadStudy]) -> None:
    """The host cannot be told to end its servers any more. Its agent does by itself, and so does the cell here."""
    server, study = shell
    job = study.start(study.config(WORKLOAD | {"duration_s": 120}))
    deadline = time.monotonic() + LIMIT_S
    while not (study.folder / "loaded").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    study.namespaces.cut()
    cut_s = time.monotonic()
    log = study.folder / "benchmark.log"
    while " died under load: " not in log.read_text():
        assert time.monotonic() - cut_s < 10, log.read_text()
        time.sleep(0.05)
    told, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 1
    assert any(f"{what} died under load" in told for what in ("host n1", "link to n1", "link n0 - n1")), told
    assert server.left() == []
    assert not (study.cell / RAW).exists()


@pytest.mark.parametrize(
    ("what", "said", "do"),
    [
        ("unknown host", "Host key verification failed", "log in there once by hand"),
        ("changed host", "REMOTE HOST IDENTIFICATION HAS CHANGED", "ask whoever runs it"),
        ("wrong key", "Permission denied (publickey)", "ssh-copy-id"),
        ("no Python", "not found", "key `python` of that host"),
    ],
)
def test_ssh_that_would_ask_is_an_error_that_says_what_to_do(
    shell: tuple[SecureShell, SpreadStudy], what: str, said: str, do: str
) -> None:
    """BatchMode keeps ssh from asking for a password or `yes` in a job that nobody sees."""
    server, study = shell
    config = study.config(WORKLOAD | {"duration_s": 5})
    match what:
        case "unknown host":
            server.know_host(None)
        case "changed host":
            server.know_host("id_ed25519")
        case "wrong key":
            server.make_key("id_ed25519")
        case "no Python":
            config["serving"]["hosts"][1]["python"] = "/nowhere/python"
    job = study.start(config)
    told, _ = job.communicate(timeout=LIMIT_S)
    assert job.returncode == 1
    assert "host n1: no agent: " in told
    assert said in told
    assert do in told
    assert server.left() == []
    assert not list(study.folder.glob("results/**/run.json"))
