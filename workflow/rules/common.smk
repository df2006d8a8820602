# What all rules share: the checked configuration as a Study, its cells, and the paths of their files.
#
# INPUTS   the configuration (config/README.md)
# OUTPUTS  STUDY, CELLS, PENDING, and the paths and helpers below
# CONFIG   all keys

import re
import shlex
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

# Jobs use the library of this checkout and, unless Snakemake deploys an environment for them, the Python that runs
# Snakemake: also where the environment has not been activated.
LIBRARY = str(Path(workflow.basedir) / "workflow")
sys.path.insert(0, LIBRARY)
SEARCH = [] if workflow.deployment_settings.deployment_method else [str(Path(sys.executable).parent)]
shell.prefix(
    # doubled braces: Snakemake formats the prefix with the command
    f"export PYTHONPATH={shlex.quote(LIBRARY)}${{{{PYTHONPATH:+:$PYTHONPATH}}}}"
    f" PATH={':'.join([*map(shlex.quote, SEARCH), '$PATH'])}; "
)

from llmdvfs.errors import LlmDvfsError
from llmdvfs.plan.cells import all_cells, cell_folder, pending_launches
from llmdvfs.plan.code_hash import code_hash
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.config_file import read_config_file
from llmdvfs.plan.long_requests import long_requests
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import make_study
from llmdvfs.records.raw import FAILED
from llmdvfs.records.store import compact_json
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.instance.ports import owner_of

DEFAULT_STUDY = "config/config.yaml"
try:
    for path in workflow.overwrite_configfiles or [DEFAULT_STUDY]:
        read_config_file(Path(path))  # refuses what Snakemake would take without a word: a key that is given twice
except LlmDvfsError as error:
    sys.exit(f"llm-dvfs: {error}")

# A study file is complete by itself: --configfile takes the place of the default one.
# To change parts of the default: --configfile config/config.yaml mine.yaml
if not workflow.overwrite_configfiles:

    configfile: DEFAULT_STUDY


try:
    CONFIG = complete_config(config)
    STUDY = make_study(CONFIG, engine_versions)
    PENDING = pending_launches(STUDY)
    check_preconditions(STUDY, measuring=bool(PENDING), owner_of=owner_of)
    if PENDING and workflow.is_main_process:
        for said in long_requests(STUDY):
            print(f"llm-dvfs: {said}", file=sys.stderr)
except LlmDvfsError as error:
    sys.exit(f"llm-dvfs: {error}")  # one message: a WorkflowError would add where in this file it was raised

RESULTS = str(STUDY.results)
CELLS = [str(cell_folder(STUDY.results, cell)) for cell in all_cells(STUDY)]
CONDA = str(Path(workflow.basedir) / "envs" / "cpu.yaml")


def one_of(ids):
    """Return the regular expression of a wildcard that takes these ids and nothing else."""
    return "|".join(re.escape(str(item)) for item in ids)


def is_disaggregated(deployment):
    """Return whether a deployment has its phases on separate instances."""
    return "prefill" in STUDY.deployments[deployment].num_instances


def deployment_cells(deployment):
    """Return the folders of a deployment's measured cells."""
    return [cell for cell in measured_cells() if cell.startswith(f"{RESULTS}/cells/{deployment}/")]


def measured_cells():
    """Return the folders of all cells but for those that are known to have failed.

    Where failed cells are tolerated it is known only after the launches which those are: a checkpoint.
    """
    failed = set(failed_cells())
    return [cell for cell in CELLS if cell not in failed]


def failed_cells():
    """Return the folders of the cells that the study goes on without."""
    if not STUDY.tolerate_failed_cells:
        return []
    checkpoints.measured.get()
    return [cell for cell in CELLS if Path(cell, "raw", FAILED).exists()]


def cell_files(wildcards):
    """Return the files of all measured cells."""
    names = ("timeline.csv", "phases.json", "result.json", "timeline.png", "latency.png")
    return [f"{cell}/{name}" for cell in measured_cells() for name in names]


def deployment_files(wildcards):
    """Return the files of all deployments of which something was measured."""
    return [
        f"{RESULTS}/deployments/{name}/{file}"
        for name in STUDY.deployments
        if deployment_cells(name)
        for file in [
            *PHASE_FILES[is_disaggregated(name)],
            *[f"{figure}.png" for figure in PHASE_FIGURES[is_disaggregated(name)]],
        ]
    ]


wildcard_constraints:
    deployment=one_of(STUDY.deployments),
    workload=one_of(STUDY.workloads),
    point=one_of(STUDY.points),
    launch=r"\d+",


CELL = f"{RESULTS}/cells/{{deployment}}/{{workload}}/{{point}}/launch-{{launch}}"
DEPLOYMENT = f"{RESULTS}/deployments/{{deployment}}"
COMPARISON = f"{RESULTS}/comparison"
LOGS = f"{RESULTS}/logs"
