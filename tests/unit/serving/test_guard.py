"""The guard with real processes: whatever is killed, nothing that the server started is left."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LIMIT_S = 10.0
# Like vLLM: a server with an engine in a session of its own, which ignores SIGTERM, and a worker below that.
SERVER = """
import os, signal, subprocess, sys, time
depth, pids = int(sys.argv[1]), sys.argv[2]
with open(pids, "a") as file:
    file.write(f"{os.getpid()}\\n")
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1), pids], start_new_session=True)
if depth < 2 or "--stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(60)
"""
# Like the benchmark: a subreaper that starts the guard and waits.
JOB = """
import subprocess, sys, time
from llmdvfs.serving.lifetime import become_subreaper_with_parent_death_signal
become_subreaper_with_parent_death_signal()
guard = subprocess.Popen([sys.executable, "-m", "llmdvfs", "guard", "--log", sys.argv[1], "--", *sys.argv[2:]])
print(guard.pid, flush=True)
guard.wait()
time.sleep(60)
"""


@dataclass
class Family:
    """Process ids, from the job down."""

    job: subprocess.Popen[str]
    outer: int
    inner: int
    server: int
    engine: int
    worker: int
    log: Path

    def all(self) -> list[int]:
        return [self.job.pid, self.outer, self.inner, self.server, self.engine, self.worker]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "workflow")}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Family]]:
    families: list[Family] = []

    def start_family(*flags: str) -> Family:
        script, pids, log = tmp_path / "server.py", tmp_path / "pids", tmp_path / "log"
        script.write_text(SERVER)
        pids.touch()
        command = [sys.executable, str(script), "2", str(pids), *flags]
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, str(log), *command],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert job.stdout is not None
        outer = int(job.stdout.readline())
        assert wait_until(lambda: pids.read_text().count("\n") == 3)
        server, engine, worker = (int(line) for line in pids.read_text().split())
        family = Family(job, outer, children(outer)[0], server, engine, worker, log)
        families.append(family)
        return family

    yield start_family
    for family in families:
        for pid in family.all():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        family.job.wait()
        assert family.job.stdout is not None
        family.job.stdout.close()


@pytest.mark.parametrize(
    "killed",
    [
        ["job"],
        ["outer"],
        ["inner"],
        ["server"],
        ["job", "outer"],
        ["job", "inner"],
        ["outer", "inner"],
        ["job", "server"],
    ],
    ids="+".join,
)
def test_nothing_outlives_whoever_is_killed(start: Callable[..., Family], killed: list[str]) -> None:
    family = start()
    for name in killed:
        with contextlib.suppress(ProcessLookupError):  # the first death may have ended the second already
            os.kill(family.job.pid if name == "job" else getattr(family, name), signal.SIGKILL)
    if killed == ["outer", "inner"]:
        # Only the job is left; it is a subreaper, and ends what came back to it when it ends itself.
        os.kill(family.job.pid, signal.SIGTERM)
        assert wait_until(lambda: not alive(family.server))
        return
    left = [family.outer, family.inner, family.server, family.engine, family.worker]
    assert wait_until(lambda: not any(alive(pid) for pid in left)), [pid for pid in left if alive(pid)]


def test_sigterm_to_the_guard_ends_a_server_that_ignores_it(start: Callable[..., Family]) -> None:
    family = start("--stubborn")
    os.kill(family.outer, signal.SIGTERM)
    assert wait_until(lambda: not any(alive(pid) for pid in family.all()[1:]))
    assert "still running 5 s after SIGTERM" in family.log.read_text()


def test_a_dead_engine_alone_is_the_servers_business(start: Callable[..., Family]) -> None:
    family = start()
    os.kill(family.worker, signal.SIGKILL)
    time.sleep(0.3)
    assert alive(family.server)
    assert alive(family.outer)


def run_guard(log: Path, *command: str) -> int:
    argv = [sys.executable, "-m", "llmdvfs", "guard", "--log", str(log), "--", *command]
    return subprocess.run(argv, env=environment(), timeout=30, check=False).returncode


def test_exit_code_is_the_servers(tmp_path: Path) -> None:
    assert run_guard(tmp_path / "log", "sh", "-c", "echo said; exit 7") == 7
    assert (tmp_path / "log").read_text() == "said\n"


def test_a_signal_is_128_more(tmp_path: Path) -> None:
    assert run_guard(tmp_path / "log", "sh", "-c", "kill -KILL $$") == 137


def test_a_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    assert run_guard(tmp_path / "log", "/no/such/python") == 127
    assert (tmp_path / "log").read_text() == "guard: /no/such/python cannot be started: No such file or directory\n"


def can_lock(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_the_lease_is_held_by_the_guards_alone_and_until_the_end(tmp_path: Path) -> None:
    lock, seen, finish = tmp_path / "gpu0.lock", tmp_path / "seen", tmp_path / "finish"
    lease = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lease, fcntl.LOCK_EX)
    script = f"ls -l /proc/self/fd > {seen}.draft; mv {seen}.draft {seen}; while [ ! -e {finish} ]; do sleep 0.05; done"
    argv = [sys.executable, "-m", "llmdvfs", "guard", "--log", str(tmp_path / "log"), "--lease-fd", str(lease), "--"]
    guard = subprocess.Popen([*argv, "sh", "-c", script], env=environment(), pass_fds=(lease,))
    os.close(lease)
    assert wait_until(seen.exists)
    assert "gpu0.lock" not in seen.read_text()
    assert not can_lock(lock)
    finish.touch()
    assert guard.wait(LIMIT_S) == 0
    assert can_lock(lock)


def test_folders_stay_while_the_parent_can_see_to_them(tmp_path: Path) -> None:
    """A killed prefill server's guard once removed the folder that the other servers were still writing to."""
    folder = tmp_path / "kv"
    folder.mkdir()
    argv = [sys.executable, "-m", "llmdvfs", "guard", "--log", str(tmp_path / "log"), "--remove", str(folder), "--"]
    subprocess.run([*argv, "true"], env=environment(), timeout=30, check=True)
    assert folder.exists()


def test_folders_go_when_the_parent_is_dead(tmp_path: Path) -> None:
    folder, started = tmp_path / "kv", tmp_path / "started"
    (folder / "deep").mkdir(parents=True)
    guard = f"{sys.executable} -m llmdvfs guard --log {tmp_path / 'log'} --remove {folder} --"
    job = subprocess.Popen(["sh", "-c", f"{guard} sh -c 'touch {started}; sleep 60' & wait"], env=environment())
    assert wait_until(started.exists)
    assert folder.exists()
    job.kill()
    job.wait()
    assert wait_until(lambda: not folder.exists())


def test_a_server_does_not_inherit_the_key_of_somebody_elses_endpoint(tmp_path: Path) -> None:
    """Every vLLM server had it, and whatever it started: plugins of a model, compilers, crash reports."""
    names = {"LLMDVFS_API_KEY", "LLMDVFS_REDFISH_PASSWORD", "KEPT"}
    show = f"import os; print('keys:', [name for name in os.environ if name in {names}])"
    log = tmp_path / "server.log"
    guard = [sys.executable, "-m", "llmdvfs", "guard", "--log", str(log), "--", sys.executable, "-c", show]
    env = environment() | {"LLMDVFS_API_KEY": "sk-0123456789", "LLMDVFS_REDFISH_PASSWORD": "pass", "KEPT": "kept"}
    assert subprocess.run(guard, env=env, timeout=30, check=False).returncode == 0
    assert "keys: ['KEPT']" in log.read_text()
