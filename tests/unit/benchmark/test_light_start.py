"""A benchmark job starts for every launch of a study: what it imports is waited for each time."""

import os
import subprocess
import sys
from pathlib import Path

WORKFLOW = Path(__file__).parents[3] / "workflow"
IMPORTED = "import sys, llmdvfs.commands.benchmark, llmdvfs.benchmark.launch; print(*sys.modules)"


def test_a_job_without_other_hosts_starts_without_scipy() -> None:
    """Only another host's clock needs its linear programs, and every job imported them: half a second."""
    environment = os.environ | {"PYTHONPATH": str(WORKFLOW)}
    modules = subprocess.check_output([sys.executable, "-c", IMPORTED], env=environment, text=True).split()
    assert "llmdvfs.hosts.remote_host" in modules
    assert "scipy" not in modules
    assert "llmdvfs.plan.study" not in modules  # with searches, answers and comparisons: 0.13 s
