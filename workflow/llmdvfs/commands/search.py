"""`search`: runs the study of a configuration with `search` round by round, each by one run of Snakemake."""

import argparse
from functools import partial

from llmdvfs.commands.rounds import add_round_arguments, run_snakemake
from llmdvfs.errors import ConfigError
from llmdvfs.plan.command_line import given_configuration
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.search.drive import next_round, search
from llmdvfs.search.words import outcome_lines, round_lines
from llmdvfs.serving.instance.engine_version import engine_versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those of the study and of the run as Snakemake has them."""
    add_round_arguments(parser)
    parser.add_argument("-n", "--dry-run", action="store_true", help="say the next round, and measure nothing")


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
    record = search(study, lambda: run_snakemake(options, "analysed"), partial(print, flush=True))
    run_snakemake(options)
    print("\n".join(outcome_lines(record)))
    return 0
