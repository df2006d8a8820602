"""Commands that measure nothing, killed: what they had written can be read, and nothing of them is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.place import CHECKOUT
from faults.run import Run

MONITOR = [sys.executable, "-m", "llmdvfs", "monitor", "--gpus", "none"]
LIMIT_S = 60.0
WRITES = """
import os, signal, sys
from pathlib import Path
from llmdvfs.records.store import write_text
Path.replace = lambda draft, path: os.kill(os.getpid(), signal.SIGKILL)  # all is written, and nothing is in place
write_text(Path(sys.argv[1]), "new " * 100_000)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT / "workflow")}


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Run]:
    """A monitor of the CPU that has recorded some readings."""
    run = Run([*MONITOR, "--raw", "recorded.jsonl"], tmp_path, environment(), tmp_path / "monitor.log")
    recorded = tmp_path / "recorded.jsonl"
    assert run.meets(lambda: recorded.exists() and recorded.read_bytes().count(b"\n") > 5, LIMIT_S), run.output
    yield run
    run.close()


def replayed(folder: Path) -> str:
    command = [*MONITOR, "--replay", "recorded.jsonl", "--duration", "0.1"]
    run = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    return run.stdout


def test_a_killed_monitor_leaves_no_sampler_and_a_recording_that_can_be_played(monitor: Run, tmp_path: Path) -> None:
    assert len(monitor.living()) == 2
    monitor.process.kill()
    assert monitor.wait(LIMIT_S) == -signal.SIGKILL
    assert monitor.wait_for(lambda: not monitor.living(), LIMIT_S), monitor.living()
    assert "CPU %" in replayed(tmp_path)


def test_a_monitor_whose_sampler_is_killed_says_so_and_keeps_what_was_read(monitor: Run, tmp_path: Path) -> None:
    sampler = monitor.find("sampler")
    assert sampler is not None
    os.kill(sampler, signal.SIGKILL)
    assert monitor.wait(LIMIT_S) == 1
    assert "the telemetry sampler" in monitor.output
    assert "ended by SIGKILL" in monitor.output
    assert "Traceback" not in monitor.output
    assert "CPU %" in replayed(tmp_path)


def test_a_report_that_is_killed_as_it_is_written_leaves_the_one_of_before(tmp_path: Path) -> None:
    """report, compare, answer and every stage after the measurement write by the same function."""
    report = tmp_path / "report.html"
    report.write_text("old")
    run = subprocess.run([sys.executable, "-c", WRITES, str(report)], env=environment(), check=False)
    assert run.returncode == -signal.SIGKILL
    assert report.read_text() == "old"
