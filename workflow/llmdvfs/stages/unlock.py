"""`unlock`: remove the lock of a Snakemake that was killed; never that of one that runs."""

import argparse
import shutil
from pathlib import Path

import psutil

LOCKS = Path(".snakemake/locks")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(options: argparse.Namespace) -> int:
    """Unlock the current folder if no Snakemake works in it."""
    if not LOCKS.is_dir() or not any(LOCKS.iterdir()):
        return 0
    here = str(Path.cwd())
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == here and any(Path(word).name == "snakemake" for word in command[:3]):
            print(f"snakemake is running here (process {process.info['pid']}); its lock stays")
            return 0
    shutil.rmtree(LOCKS)
    print("removed the lock of a Snakemake that was killed")
    return 0
