"""`unlock` removes what a killed Snakemake left, and nothing of one that lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmdvfs.__main__ import main
from llmdvfs.commands.unlock import RUNNING
from llmdvfs.host.lock import share_lock

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_SH)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Snakemake leaves in the folder it works in."""
    monkeypatch.chdir(tmp_path)
    lock = tmp_path / ".snakemake" / "locks" / "0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/measured.txt\n")
    return lock


def test_the_lock_of_a_killed_snakemake_is_removed(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unlock"]) == 0
    assert capsys.readouterr().out == "removed the lock of a Snakemake that was killed\n"
    assert not lock.exists()
    share = share_lock(Path.cwd() / RUNNING)  # and the next Snakemake can have its own
    assert share is not None
    os.close(share)


def test_the_lock_of_a_snakemake_that_cannot_be_seen_stays(lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In another container its processes are not in /proc: two workflows then wrote the same files."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(RUNNING)], stdout=subprocess.PIPE, text=True) as elsewhere:
        assert elsewhere.stdout is not None
        assert elsewhere.stdout.readline() == "held\n"
        assert main(["unlock"]) == 0
        assert "in another container or on another host; its lock stays" in capsys.readouterr().out
        assert lock.exists()
        elsewhere.kill()
    assert main(["unlock"]) == 0
    assert not lock.exists()


def test_several_snakemakes_share_the_lock(lock: Path) -> None:
    """A dry run beside a run must not take its protection away."""
    first, second = share_lock(RUNNING), share_lock(RUNNING)
    assert first is not None
    assert second is not None
    os.close(first)
    assert main(["unlock"]) == 0
    assert lock.exists()
    os.close(second)
