"""A folder with a copy of a checkout in which a study is run, and what was made of its measurements removed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

SNAKEMAKE = Path(sys.executable).parent / "snakemake"
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs", "pyproject.toml")


class Used(NamedTuple):
    """What a run of Snakemake and all that it started took."""

    wall_s: float
    cpu_s: float
    """User and system."""
    peak_mb: float
    """Of its largest process."""


def copy_of(checkout: Path, folder: Path) -> None:
    """Copy into a folder what a checkout needs to run a study."""
    for part in PARTS:
        source = checkout / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)


def run_study(folder: Path, settings: list[str]) -> Used:
    """Run Snakemake in a folder until everything is made."""
    # As on a user's machine, where the second process finds compiled what the first one has imported.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begin = time.monotonic()
    command = [str(SNAKEMAKE), "--cores", "all"]
    command += ["--config", *settings] if settings else []
    with (folder / "snakemake.log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        shutil.copy(folder / "snakemake.log", Path.cwd() / "study-bench-failed.log")
        raise SystemExit(f"the study of {folder} ended with {process.returncode}; see study-bench-failed.log")
    return Used(time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def remove_made(folder: Path) -> None:
    """Leave what was measured, and what was planned before it; remove all that was made of it."""
    results = folder / "results"
    for cell in results.glob("cells/*/*/*/launch-*"):
        for path in cell.iterdir():
            if path.name != "raw" and not path.name.startswith("measured-"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in results.glob("deployments/*/*"):
        if path.name != "launch.json":
            path.unlink()
    shutil.rmtree(results / "comparison", ignore_errors=True)
    (results / "report.html").unlink(missing_ok=True)
