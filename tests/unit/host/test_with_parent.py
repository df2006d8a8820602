"""A command whose asker was killed is interrupted as by a terminal: with its jobs, without what has its own session."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from llmdvfs.host.child import library_environment

LIMIT_S = 30.0
JOB = """
import pathlib, sys, time
try:
    pathlib.Path(sys.argv[1]).write_text("runs")
    time.sleep(60)
except KeyboardInterrupt:
    pathlib.Path(sys.argv[1]).write_text("interrupted")
"""
COMMAND = f"""
import subprocess, sys
job = [sys.executable, "-c", {JOB!r}]
with subprocess.Popen([*job, "job"]), subprocess.Popen([*job, "server"], start_new_session=True) as server:
    print(server.pid, flush=True)
    try:
        server.wait()
    except KeyboardInterrupt:
        pass
    open("command", "w").write("interrupted")
    raise SystemExit(0)
"""
ASKER = f"""
import os, subprocess, sys
subprocess.run([sys.executable, "-m", "llmdvfs.host.with_parent", str(os.getpid()), sys.executable, "-c", {COMMAND!r}])
"""


def becomes(path: Path, text: str) -> bool:
    deadline = time.monotonic() + LIMIT_S
    while not (path.exists() and path.read_text() == text):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_killed_search_does_not_leave_its_measurement_running(tmp_path: Path) -> None:
    """Snakemake got SIGINT when `search` was killed, alone, and waited for the launch under way to come to its end."""
    asker = subprocess.Popen(
        [sys.executable, "-c", ASKER], cwd=tmp_path, env=library_environment(), stdout=subprocess.PIPE, text=True
    )
    assert asker.stdout is not None
    server = int(asker.stdout.readline())
    try:
        assert becomes(tmp_path / "job", "runs")
        assert becomes(tmp_path / "server", "runs")
        asker.kill()
        assert becomes(tmp_path / "job", "interrupted")
        assert (tmp_path / "server").read_text() == "runs", "a server has a session of its own: its guard ends it"
    finally:
        os.kill(server, signal.SIGKILL)
        asker.kill()
        asker.wait()
        asker.stdout.close()
    assert becomes(tmp_path / "command", "interrupted")


def test_the_exit_code_is_the_commands(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llmdvfs.host.with_parent", str(os.getpid()), "sh", "-c"]
    for script, expected in (("exit 3", 3), ("kill -KILL $$", 128 + 9)):
        assert subprocess.run([*command, script], env=library_environment(), check=False).returncode == expected
