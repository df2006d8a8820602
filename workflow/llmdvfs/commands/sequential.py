"""`sequential`: a study's launches one after the other, until its intervals are narrow enough."""

import argparse
from functools import partial

from llmdvfs.commands.rounds import add_round_arguments, run_snakemake
from llmdvfs.errors import ConfigError
from llmdvfs.plan.command_line import given_configuration
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.places import comparison_file
from llmdvfs.records.store import read_record
from llmdvfs.sequential.drive import add_launches
from llmdvfs.serving.instance.engine_version import engine_versions

ENDS = {
    "narrow_enough": "all intervals are narrow enough",
    "most_launches": "ended at max_launches, and an interval is still wider",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: those of the study and of the run as Snakemake has them."""
    add_round_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Add launches, then make everything that a run makes; 0 also where an interval stays wide, which is said."""
    study = make_study(complete_config(given_configuration(options)), engine_versions)
    if study.sequential is None:
        raise ConfigError(
            "sequential: null: expected how narrow intervals are to be, as in {half_width_fraction: 0.05}; snakemake "
            "measures a given number of launches"
        )
    record = add_launches(
        study,
        lambda: run_snakemake(options, "analysed", "compare"),
        lambda: read_record(comparison_file(study.results), ComparisonRecord),
        partial(print, flush=True),
    )
    run_snakemake(options)
    print(f"sequential: {ENDS[record.state]}: {record.text}")
    return 0
