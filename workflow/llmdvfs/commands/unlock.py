"""`unlock`: remove the lock of a Snakemake that was killed; never that of one that runs."""

import argparse
import os
import shutil
from pathlib import Path

import psutil

from llmdvfs.host.lock import take_lock

LOCKS = Path(".snakemake/locks")
RUNNING = Path(".snakemake/running.lock")
"""Every Snakemake that works in a folder shares this lock while it lives (rules/common.smk). A container or a host with
the same folder, whose processes cannot be seen from here, is noticed by it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(options: argparse.Namespace) -> int:
    """Remove Snakemake's lock of the current folder, unless a Snakemake works in it; that is said, and 0 returned."""
    if not LOCKS.is_dir() or not any(LOCKS.iterdir()):
        return 0
    if (who := _snakemake_here()) is not None:
        print(f"snakemake is running here ({who}); its lock stays")
        return 0
    if (handle := take_lock(RUNNING)) is None:
        print("snakemake is running in this folder, in another container or on another host; its lock stays")
        return 0
    shutil.rmtree(LOCKS)
    os.close(handle)
    print("removed the lock of a Snakemake that was killed")
    return 0


def _snakemake_here() -> str | None:
    """Return the process that is a Snakemake in this folder, as far as processes can be seen from here."""
    here = str(Path.cwd())
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == here and any(Path(word).name == "snakemake" for word in command[:3]):
            return f"process {process.info['pid']}"
    return None
