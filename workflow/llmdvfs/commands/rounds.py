"""One run of Snakemake on a study, as `search` and `sequential` start it round by round."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from llmdvfs.commands import unlock
from llmdvfs.errors import MeasuringFailed
from llmdvfs.host.child import library_environment
from llmdvfs.plan.command_line import add_study_arguments


def add_round_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the study and of the runs, as Snakemake has them."""
    add_study_arguments(parser)
    parser.add_argument("--cores", default="all", help="as of snakemake (default: all)")
    parser.add_argument("snakemake", nargs="*", metavar="ARGUMENT", help="after --: further arguments of snakemake")


def run_snakemake(options: argparse.Namespace, *targets: str) -> None:
    """Run Snakemake on the study as decided so far; MeasuringFailed where it ends with an error.

    It gets its own Ctrl-C from the terminal and stops its jobs in order, so that it is waited for; where this process
    is killed, it and its jobs are interrupted (host/with_parent.py).
    """
    unlock.run(options)
    with_parent = [sys.executable, "-m", "llmdvfs.host.with_parent", str(os.getpid())]
    with subprocess.Popen([*with_parent, *snakemake_command(options, targets)], env=library_environment()) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:
            child.wait()
            raise
    if code:
        raise MeasuringFailed(
            f"snakemake ended with code {code} (its messages are above): what was measured is kept, and the same "
            "command goes on from there"
        )


def snakemake_command(options: argparse.Namespace, targets: Sequence[str]) -> list[str]:
    """Return the command of a round. Targets come first: --configfile and --config take all words that follow them."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(options.cores)]
    command += ["--configfile", *map(str, options.configfile)]
    if options.config:
        command += ["--config", *options.config]
    return [*command, *options.snakemake]
