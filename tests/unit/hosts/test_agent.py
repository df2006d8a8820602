"""Agents as real processes on loopback addresses: they start, watch and tell, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.vllm_server import python_with_fake_vllm

from llmdvfs.errors import ConfigError, ServerNotReady
from llmdvfs.hosts.channel import HostLost
from llmdvfs.hosts.remote_host import RemoteHost, agent_command
from llmdvfs.records.job import LaunchRecord
from llmdvfs.records.spec import DeploymentSpec, EngineSpec, HostSpec, ModelSpec
from llmdvfs.serving.host_part import StartOrder
from llmdvfs.serving.instance.health import wait_healthy
from llmdvfs.serving.lifetime import descendants, is_alive

LIMIT_S = 60.0
HERE = HostSpec("n1", "127.0.0.1")
AHEAD_S = 5000
SKEWED = ("unshare", "-T", "--monotonic", str(AHEAD_S), "--fork")


def wait_until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def silent(text: str) -> None:
    """Progress that nobody reads."""


class Hosts:
    """Starts agents, and ends them with the test."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.started: list[RemoteHost] = []

    def __call__(self, spec: HostSpec) -> RemoteHost:
        host = RemoteHost(replace(spec, folder=str(self._folder / "there")), self._folder / "agent.log", silent)
        self._stack.callback(host.close)
        self.started.append(host)
        return host


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(tmp_path, stack)


@pytest.fixture
def order(tmp_path: Path) -> StartOrder:
    spec = DeploymentSpec(
        id="single_m",
        architecture="single",
        model=ModelSpec("m", "hub", "someone/model"),
        device="cpu",
        engine={"single": EngineSpec()},
        num_instances={"single": 1},
        python=python_with_fake_vllm(tmp_path),
        hosts=(HERE,),
    )
    launch = LaunchRecord(spec, "someone/model", "m", {"vllm": "0.32.0"}, None, (), "none")
    return StartOrder(launch, "abc", (("single", 0),), None)


def serving(host: RemoteHost, order: StartOrder, folder: Path) -> int:
    """Start the host's instance, wait until it serves, and return its process id."""
    host.greet()
    host.order(order, folder, folder)
    (instance,) = host.begin()
    took = wait_healthy({instance.base_url: instance.process}, LIMIT_S, silent)
    assert took.keys() == {"single-0"}
    assert wait_until(lambda: instance.process.server_pid() is not None)
    pid = instance.process.server_pid()
    assert pid is not None
    return pid


def test_an_instance_is_started_told_and_ended(hosts: Hosts, order: StartOrder, tmp_path: Path) -> None:
    host = hosts(HERE)
    pid = serving(host, order, tmp_path)
    assert is_alive(pid)
    (record,) = host.records({"single-0": 1.5})
    assert (record.device_ids, record.startup_s, record.log) == (("n1/cpu",), 1.5, "single-0.log")
    assert record.base_url.startswith("http://127.0.0.1:")
    host.ready()
    assert host.lost() is None
    host.stop()
    assert not is_alive(pid)
    assert "fake vLLM" in (tmp_path / "single-0.log").read_text()
    host.close()
    assert list((tmp_path / "there").iterdir()) == []


def test_two_hosts_write_a_model_to_the_same_path(hosts: Hosts, order: StartOrder, tmp_path: Path) -> None:
    """Each agent had it in its own folder, and NIXL's engines refused each other for the path's sake."""
    spec = replace(order.launch.deployment, model=ModelSpec("m", "tiny", ""), memory_check=False)
    order = replace(order, launch=replace(order.launch, deployment=spec))
    models = set()
    for name in ("n1", "n2"):
        host = hosts(replace(HERE, name=name))
        serving(host, order, tmp_path)
        (instance,) = host._instances
        models.add(instance.argv[instance.argv.index("--model") + 1])
    (model,) = models
    assert (Path(model) / "config.json").exists()
    for host in hosts.started:
        host.stop()
        host.close()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_server_that_dies_there_is_told_here(hosts: Hosts, order: StartOrder, tmp_path: Path) -> None:
    host = hosts(HERE)
    pid = serving(host, order, tmp_path)
    (instance,) = host._instances
    os.kill(pid, signal.SIGKILL)
    assert wait_until(instance.process.is_dead)
    assert wait_until(lambda: "SIGKILL" in instance.process.cause_of_death())


def test_a_killed_agent_is_a_lost_host_and_leaves_nothing(hosts: Hosts, order: StartOrder, tmp_path: Path) -> None:
    host = hosts(HERE)
    pid = serving(host, order, tmp_path)
    family = descendants(host._channel._process.pid)
    assert pid in family
    host._channel._process.kill()
    assert wait_until(lambda: host.lost() is not None, 10)
    lost = host.lost()
    assert lost is not None
    assert lost[0] == "host n1"
    assert lost[1].startswith("its agent ended by SIGKILL")
    assert wait_until(lambda: not any(map(is_alive, family)), 15)
    with pytest.raises(HostLost, match="host n1: its agent ended by SIGKILL"):
        host.ready()


def test_an_agent_whose_measuring_host_is_killed_leaves_nothing(order: StartOrder, tmp_path: Path) -> None:
    """The pipe to it closes, whoever holds its other end: ssh, srun, or this process."""
    spec = replace(HERE, folder=str(tmp_path / "there"))
    command = agent_command(spec)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "workflow")}
    agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert agent.stdin is not None
    assert agent.stdout is not None
    agent.stdin.write(b'{"id":1,"ask":"hello"}\n')
    agent.stdin.flush()
    assert b'"echo_port"' in agent.stdout.readline()
    assert len(list((tmp_path / "there").iterdir())) == 1
    agent.stdin.close()
    agent.wait(LIMIT_S)
    agent.stdout.close()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_silent_host_is_lost_after_five_seconds(hosts: Hosts) -> None:
    """Stopped, as a host that hangs or a connection that is cut without a word: nothing closes, nothing answers."""
    host = hosts(HERE)
    host.greet()
    agent = host._channel._process.pid
    os.kill(agent, signal.SIGSTOP)
    begin = time.monotonic()
    try:
        assert wait_until(lambda: host.lost() is not None, 10)
    finally:
        os.kill(agent, signal.SIGCONT)
    assert time.monotonic() - begin < 10
    lost = host.lost()
    assert lost is not None
    assert lost[1].startswith("its agent has not answered for 5 s")


def test_the_hosts_own_time_service_is_told(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """chronyd there says 1 ms of dispersion, 2 ms of delay and nothing left to correct: 2 ms at most."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    tool = tmp_path / "chronyc"
    tool.write_text("#!/bin/sh\necho C0A80001,192.168.0.1,3,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.002,0.001,64.0,Normal\n")
    tool.chmod(0o755)
    host = hosts(HERE)
    host.greet()
    told = host.record(time.monotonic_ns()).wall_clock
    assert told is not None
    assert (told.source, told.reference) == ("chrony", "192.168.0.1")
    assert told.bound_s == pytest.approx(0.002)


def test_a_skewed_clock_is_found_inside_its_bound(hosts: Hosts, tmp_path: Path) -> None:
    """A time namespace, so that every process there has a CLOCK_MONOTONIC 5000 s ahead: no test's own arithmetic."""
    if subprocess.run([*SKEWED, "true"], check=False, capture_output=True).returncode:
        pytest.skip("time namespaces are not permitted here")
    host = hosts(replace(HERE, reach=SKEWED))
    host.greet()
    begin_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    host.begin_sampling(0.1, 0.02)
    time.sleep(1.0)
    host.end_sampling(tmp_path, begin_ns)
    clock = host.record(begin_ns).clock
    assert clock is not None
    assert abs(clock.offset_ns - AHEAD_S * 10**9) <= clock.bound_ns
    assert (tmp_path / "telemetry.n1.jsonl").exists()
    assert (tmp_path / "telemetry.n1_report.json").exists()
    assert len((tmp_path / "clock.n1.jsonl").read_text().splitlines()) == clock.num_exchanges


@pytest.mark.parametrize(
    ("reach", "says"),
    [
        (("false",), r"host n1: no agent: host n1: its agent ended with exit code 1.*serving\.hosts"),
        (("echo", "Welcome to n1"), "said b'Welcome to n1"),
        (("no-such-transport",), r"no-such-transport cannot be run: No such file"),
    ],
    ids=["refused", "greets people", "not installed"],
)
def test_a_host_without_an_agent_is_told(hosts: Hosts, reach: tuple[str, ...], says: str) -> None:
    with pytest.raises(ServerNotReady, match=says):
        hosts(replace(HERE, reach=reach)).greet()


def test_an_address_of_another_host_is_told(hosts: Hosts) -> None:
    with pytest.raises(ServerNotReady, match=r"192\.0\.2\.1 is no address of this host"):
        hosts(replace(HERE, address="192.0.2.1")).greet()


def test_another_engine_there_is_told(hosts: Hosts, order: StartOrder, tmp_path: Path) -> None:
    host = hosts(HERE)
    host.greet()
    older = replace(order, launch=replace(order.launch, engine_versions={"vllm": "0.23.0"}))
    host.order(older, tmp_path, tmp_path)
    with pytest.raises(ConfigError, match=r"host n1: vLLM 0\.32\.0 here and 0\.23\.0 on the host that measures"):
        host.begin()


def test_the_command_of_an_agent() -> None:
    spec = HostSpec("n1", "10.0.0.2", ("ssh", "-T", "{address}"), "/opt/python", "/scratch")
    assert agent_command(spec) == [
        *("ssh", "-T", "10.0.0.2"),
        *("/opt/python", "-m", "llmdvfs", "agent", "--address", "10.0.0.2", "--folder", "/scratch"),
    ]
    assert agent_command(HostSpec("n0", "10.0.0.1"))[:4] == [sys.executable, "-m", "llmdvfs", "agent"]


@pytest.mark.parametrize(
    ("reach", "python"),
    [
        (("ssh", "-T", "{address}"), "/home/me/llm dvfs/bin/python"),
        (("/usr/bin/ssh", "login", "ssh", "{address}"), "/home/me/llm dvfs/bin/python"),  # a shell there has ~
        (("srun", "-w", "{address}"), "~/llm dvfs/bin/python"),
    ],
)
def test_a_path_with_blanks_comes_through_the_shells_of_ssh_as_it_is(reach: tuple[str, ...], python: str) -> None:
    """Ssh joins words with blanks: of the folder `/scratch/of all; us` the agent had `/scratch/of`."""
    spec = HostSpec("n1", "10.0.0.2", reach, "~/llm dvfs/bin/python", "/scratch/of all; us")
    words = agent_command(spec)[len(reach) :]
    for _ in range(sum("ssh" in word for word in reach)):
        words = words_of_a_shell(" ".join(words))
    assert words == [python, "-m", "llmdvfs", "agent", "--address", "10.0.0.2", "--folder", "/scratch/of all; us"]


def words_of_a_shell(line: str) -> list[str]:
    """Return the words that sh makes of a line."""
    script = f"for word in {line}; do printf '%s\\0' \"$word\"; done"
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env={"HOME": "/home/me"})
    return told.stdout.split("\0")[:-1]
