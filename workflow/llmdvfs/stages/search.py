"""`search`: runs the study of a configuration with `search` round by round, each by one run of Snakemake."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from llmdvfs.errors import ConfigError, MeasuringFailed
from llmdvfs.host.child import set_parent_death_signal
from llmdvfs.plan.command_line import add_study_arguments, given_configuration
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.search.drive import next_round, search
from llmdvfs.search.words import outcome_lines, round_lines
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.stages import unlock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those of the study and of the run as Snakemake has them."""
    add_study_arguments(parser)
    parser.add_argument("--cores", default="all", help="as of snakemake (default: all)")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say the next round, and measure nothing")
    parser.add_argument("snakemake", nargs="*", metavar="ARGUMENT", help="after --: further arguments of snakemake")


def run(options: argparse.Namespace) -> int:
    """Search, confirm what was found and answer; or, where asked, only print the next round."""
    study = make_study(complete_config(given_configuration(options)), engine_versions)
    if study.search is None:
        raise ConfigError(
            "search: null: expected what to search, as in config/dvfs.yaml; snakemake measures listed points"
        )
    if options.dry_run:
        record, missing = next_round(study)
        print("\n".join(round_lines(study, record, missing) if missing else outcome_lines(record)))
        return 0
    record = search(study, lambda: _snakemake(options, "analysed"), partial(print, flush=True))
    _snakemake(options)
    print("\n".join(outcome_lines(record)))
    return 0


def _snakemake(options: argparse.Namespace, *targets: str) -> None:
    """Run Snakemake on the study as decided so far; MeasuringFailed where it ends with an error.

    It gets its own Ctrl-C from the terminal and stops its jobs in order, so that it is waited for; where this process
    is killed, it is interrupted.
    """
    unlock.run(options)
    with subprocess.Popen(
        snakemake_command(options, targets), preexec_fn=partial(set_parent_death_signal, signal.SIGINT, os.getpid())
    ) as child:
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
    """Return the command that measures a round.

    Targets come first, since --configfile and --config take all words that follow them.
    """
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", str(options.cores)]
    command += ["--configfile", *map(str, options.configfile)]
    if options.config:
        command += ["--config", *options.config]
    return [*command, *options.snakemake]
