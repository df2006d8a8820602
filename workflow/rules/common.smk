# What all rules share: the checked configuration as a Study, its cells, and the paths of their files.
#
# INPUTS   the configuration (config/README.md)
# OUTPUTS  STUDY, CELLS, MEASURED, PENDING, and the paths and helpers below
# CONFIG   all keys

import hashlib
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
from llmdvfs.plan.cells import pending_launches, plan_cells
from llmdvfs.plan.code_hash import code_hash
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.config_file import read_config_file
from llmdvfs.plan.older_store import older_measurements, refuse_older
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import make_study
from llmdvfs.records.places import cell_folder
from llmdvfs.records.raw import FAILED
from llmdvfs.records.store import compact_json, write_record
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
    PLAN = plan_cells(STUDY)
    PENDING = pending_launches(STUDY, PLAN)
    refuse_older(older_measurements(STUDY, PLAN) if PENDING else [])
    check_preconditions(STUDY, measuring=bool(PENDING), owner_of=owner_of)
except LlmDvfsError as error:
    sys.exit(f"llm-dvfs: {error}")  # one message: a WorkflowError would add where in this file it was raised

RESULTS = str(STUDY.results)
CELLS = [str(cell_folder(STUDY.results, cell.id)) for cell in PLAN]
# The key of the measurement that is asked for is part of this file's name: what was measured otherwise is not there.
MEASURED = {folder: str(cell.link) for folder, cell in zip(CELLS, PLAN)}


def digest_of(cells):
    """Return a short name of a set of measurements: what is made of another set does not carry it."""
    return hashlib.sha256("\n".join(sorted(MEASURED[cell] for cell in cells)).encode()).hexdigest()[:12]


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


def measured_link(wildcards):
    """Return the file that stands in a cell's folder where the measurement that is asked for is there."""
    return MEASURED[CELL.format(**wildcards)]


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
            Path(cells_file(name)).name,
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
