"""`reproduce`: measures one stored cell again and tests whether both are equal within a margin."""

import argparse
from pathlib import Path

import yaml

from llmdvfs.commands.numbers import count, not_below_zero
from llmdvfs.commands.rounds import add_round_arguments, run_snakemake
from llmdvfs.comparison.reproduced import again_over_stored, outcome, reproduced_lines
from llmdvfs.errors import ConfigError
from llmdvfs.plan.command_line import given_configuration
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.one_cell import only_cell
from llmdvfs.plan.study import make_study
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison_file import StoredCell, read_launches
from llmdvfs.records.places import comparison_table
from llmdvfs.records.store import write_text
from llmdvfs.serving.instance.engine_version import engine_versions

ASKED = ("energy_per_output_token_j", "mean_power_w", "output_token_rate_per_s", "tpot_mean_s", "ttft_p50_s")
RESULTS = "results_reproduced"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: the stored cell, and the study that measures it again."""
    parser.add_argument("stored", type=Path, help="results folder, or a folder or file with a comparison.csv")
    parser.add_argument("--cell", required=True, help="DEPLOYMENT/WORKLOAD[/POINT]; without a point: stock")
    parser.add_argument("--measured", type=Path, help="results that were measured already: nothing is measured")
    parser.add_argument("--launches", type=count, default=3, help="server starts to measure (default: 3)")
    parser.add_argument("--results", default=RESULTS, help=f"folder to measure into (default: {RESULTS})")
    parser.add_argument("--metrics", nargs="+", default=ASKED, choices=METRICS, metavar="METRIC", help="to test")
    parser.add_argument(
        "--margin", type=not_below_zero, help="what counts as equal (default: the study's margin_fraction)"
    )
    add_round_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, test, and say what was reproduced; 1 where a metric differs or is open."""
    cell = _cell(options.cell)
    stored = read_launches(comparison_table(options.stored), cell)  # a cell that is not there is told before measuring
    config = complete_config(given_configuration(options))
    if options.measured is None:
        _measure(options, config, cell)
    again = read_launches(comparison_table(options.measured or Path(options.results)), cell)
    margin = config["margin_fraction"] if options.margin is None else options.margin
    ratios = again_over_stored(stored, again, margin)
    print(f"{cell}: stored in {options.stored} -> measured again")
    print("\n".join(reproduced_lines(ratios, options.metrics, margin)))
    told = [said for name in options.metrics if (said := outcome(ratios[name])) is not None]
    return 0 if told and set(told) == {"reproduced"} else 1


def _cell(text: str) -> StoredCell:
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ConfigError(f"--cell {text}: expected DEPLOYMENT/WORKLOAD or DEPLOYMENT/WORKLOAD/POINT")
    return StoredCell(parts[0], parts[1], parts[2] if len(parts) == 3 else "stock")


def _measure(options: argparse.Namespace, config: dict[str, object], cell: StoredCell) -> None:
    """Write the study of the one cell beside its results, and have Snakemake measure and compare it."""
    study = make_study(config, engine_versions)
    alone = only_cell(config, study, cell, results=options.results, launches=options.launches)
    file = Path(options.results) / "study.yaml"
    write_text(file, yaml.safe_dump(alone, sort_keys=False))
    run_snakemake(argparse.Namespace(**{**vars(options), "configfile": [file], "config": []}), "compare")
