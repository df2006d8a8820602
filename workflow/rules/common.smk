# What all rules share: the checked configuration as a Study, its cells, and the paths of their files.
#
# INPUTS   the configuration (config/README.md)
# OUTPUTS  STUDY, CELLS, PENDING, the targets CELL_FILES, DEPLOYMENT_FILES and COMPARISON_FILES
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
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.study import make_study
from llmdvfs.records.store import compact_json
from llmdvfs.serving.engine_version import engine_versions

try:
    CONFIG = complete_config(config)
    STUDY = make_study(CONFIG, engine_versions)
    PENDING = pending_launches(STUDY)
    check_preconditions(STUDY, measuring=bool(PENDING))
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
    """Return the folders of a deployment's cells."""
    return [cell for cell in CELLS if cell.startswith(f"{RESULTS}/cells/{deployment}/")]


wildcard_constraints:
    deployment=one_of(STUDY.deployments),
    workload=one_of(STUDY.workloads),
    point=one_of(STUDY.points),
    launch=r"\d+",


CELL = f"{RESULTS}/cells/{{deployment}}/{{workload}}/{{point}}/launch-{{launch}}"
DEPLOYMENT = f"{RESULTS}/deployments/{{deployment}}"
COMPARISON = f"{RESULTS}/comparison"
LOGS = f"{RESULTS}/logs"
