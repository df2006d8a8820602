"""`migrate`: takes over measurements that are older than keys in paths, or sets them aside."""

import argparse

from llmdvfs.benchmark.results_lock import results_lock
from llmdvfs.benchmark.store import adopt, set_aside
from llmdvfs.plan.cells import plan_cells
from llmdvfs.plan.command_line import add_study_arguments, given_configuration
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.identity import StudyIdentities
from llmdvfs.plan.older_store import NOT_RECORDED, older_measurements
from llmdvfs.plan.study import Study, make_study
from llmdvfs.serving.instance.engine_version import engine_versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, those of the study as Snakemake has them."""
    add_study_arguments(parser)
    parser.add_argument("--set-aside", action="store_true", help="move them to results/forgotten instead")


def run(options: argparse.Namespace) -> int:
    """Bring every older measurement that the study asks for to its key, or set it aside to be measured again."""
    study = make_study(complete_config(given_configuration(options)), engine_versions)
    with results_lock(study.results):
        _migrate(study, set_older_aside=options.set_aside)
    return 0


def _migrate(study: Study, *, set_older_aside: bool) -> None:
    identities = StudyIdentities(study)
    older = older_measurements(study, plan_cells(study))
    for item in older:
        old_key = item.folder.name
        if set_older_aside:
            place = set_aside(item.folder, study.results / "forgotten", old_key)
            print(f"{item.cell.id.folder()}: {old_key} is in {place}, and will be measured again")
            continue
        identity = {**identities.identity(item.cell.id), "taken_over": {"key": old_key, "not_compared": NOT_RECORDED}}
        adopt(study.results, item.folder, item.cell.key, identity)
        print(f"{item.cell.id.folder()}: {old_key} is now {item.cell.key}; not compared: {', '.join(NOT_RECORDED)}")
    if not older:
        print(f"{study.results / 'store'} has no older measurement that this study asks for")
