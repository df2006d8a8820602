# What all rules share: the checked configuration as a Study, its cells, and the paths of their files.
#
# INPUTS   the configuration (config/README.md)
# OUTPUTS  STUDY, CELLS, PENDING, and the paths and helpers below
# CONFIG   all keys

import hashlib
import os
import re
import shlex
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.utils import min_version

min_version("9.27")


def checkout(place):
    """Return the folder with all files of this workflow, of which jobs need more than the rules: its library.

    place: the folder of this file. A module that snakedeploy has declared, `github(...)`, has none: Snakemake takes the
    rules alone out of a clone without files. All files of the commit are put beside that clone then, once.
    """
    if not hasattr(place, "hosted_repo"):
        return Path(str(place)).parents[1]
    clone = place.hosted_repo.repo
    folder = place.cache_path / f"llm-dvfs-{clone.commit(place.ref).hexsha}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=place.cache_path) as draft, tempfile.TemporaryFile() as archive:
            clone.archive(archive, treeish=place.ref)
            archive.seek(0)
            with tarfile.open(fileobj=archive) as files:
                files.extractall(Path(draft) / "all", filter="data")
            if not folder.exists():  # another run may have been faster
                (Path(draft) / "all").rename(folder)
    return folder


# Whichever Snakefile has taken this file in: ours, workflow/Snakefile, or another workflow's module.
CHECKOUT = checkout(workflow.current_basedir)
# Jobs use the library of this checkout and, unless Snakemake deploys an environment for them, the Python that runs
# Snakemake: also where the environment has not been activated.
LIBRARY = str(CHECKOUT / "workflow")
if ":" in LIBRARY:
    sys.exit(
        f"llm-dvfs: {CHECKOUT}: a colon in the path, which separates the folders of PYTHONPATH, so that no job would"
        " find the library; move the checkout"
    )
sys.path.insert(0, LIBRARY)
SEARCH = [] if workflow.deployment_settings.deployment_method else [str(Path(sys.executable).parent)]
shell.prefix(
    # doubled braces: Snakemake formats the prefix with the command
    f"export PYTHONPATH={shlex.quote(LIBRARY)}${{PYTHONPATH:+:$PYTHONPATH}}"
    f" PATH={':'.join([*map(shlex.quote, SEARCH), '$PATH'])}; ".replace("{", "{{").replace("}", "}}")
)

from llmdvfs.errors import LlmDvfsError, told_of
from llmdvfs.host.lock import share_lock
from llmdvfs.plan.cells import pending_launches, plan_cells
from llmdvfs.plan.cluster import slurm_resources
from llmdvfs.plan.code_hash import code_hash
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.config_file import read_config_file
from llmdvfs.plan.decided import as_decided
from llmdvfs.plan.forecast import forecast, missing_in_words, refuse_over_budget, walltimes_min
from llmdvfs.plan.making import cells_a_job, current_files, jobs, made_cells
from llmdvfs.plan.older_store import older_measurements, refuse_older
from llmdvfs.plan.locked_engine import engine_of
from llmdvfs.plan.long_requests import long_requests
from llmdvfs.plan.otherwise import measured_otherwise
from llmdvfs.plan.preflight import check_preconditions
from llmdvfs.plan.prepared import cores_of_launch, fit_two, is_prepared
from llmdvfs.plan.progress import awaited_launches, expected_progress
from llmdvfs.plan.recorded import check_recorded, recorded_engine
from llmdvfs.plan.rule_names import rule_names
from llmdvfs.plan.side_by_side import is_beside, share_of_cores
from llmdvfs.plan.study import make_study
from llmdvfs.plan.under_load import kept_apart
from llmdvfs.records.made import FILES
from llmdvfs.records.places import FAILED, PROGRESS, cell_folder, decided_file
from llmdvfs.records.store import compact_json, write_record, write_text
from llmdvfs.serving.instance.engine_version import engine_versions
from llmdvfs.serving.instance.ports import owner_of
from llmdvfs.commands.unlock import RUNNING

if workflow.is_main_process:
    # Held, with other Snakemakes of this folder, until this process ends: `unlock` asks for it.
    RUNNING.parent.mkdir(exist_ok=True)
    share_lock(RUNNING)
if workflow.storage_settings is not None and workflow.storage_settings.default_storage_provider:
    sys.exit(
        f"llm-dvfs: --default-storage-provider {workflow.storage_settings.default_storage_provider}: measurements lie in a"
        " store of linked folders, which no storage plugin holds: a launch would be measured and then found missing. Measure"
        " into a folder, and put measurements away with `snakemake archived --config archive=s3://bucket/folder`"
        " (docs/scale.md#object-storage)"
    )
REPORTING = any(word.split("=")[0] == "--report" for word in sys.argv)
STUDY_FILE = "config/config.yaml"
# Of the folder that Snakemake runs in, else of the checkout: it may have been called from elsewhere (-s, -d).
DEFAULT_STUDY = next((name for name in [STUDY_FILE] if Path(name).exists()), str(CHECKOUT / STUDY_FILE))
# A module's study is in the configuration that its user hands over.
IS_MODULE = Path(workflow.basedir) not in (CHECKOUT, CHECKOUT / "workflow")
try:
    for path in [] if IS_MODULE else workflow.overwrite_configfiles or [DEFAULT_STUDY]:
        read_config_file(Path(path))  # refuses what Snakemake would take without a word: a key that is given twice
except LlmDvfsError as error:
    sys.exit(f"llm-dvfs: {error}")

# A study file is complete by itself: --configfile takes the place of the default one.
# To change parts of the default: --configfile config/config.yaml mine.yaml
if not IS_MODULE and not workflow.overwrite_configfiles:

    configfile: DEFAULT_STUDY


try:
    CONFIG = complete_config(config)
    # The environment that jobs have where Snakemake deploys one (--sdm conda); its lock says which engine that will be.
    ENVIRONMENT = CHECKOUT / "envs" / ("gpu.yaml" if CONFIG["device"] == "cuda" else "cpu.yaml")
    DEPLOYED = bool(workflow.deployment_settings.deployment_method)
    os.environ.update(LLMDVFS_ENVS=str(ENVIRONMENT.parent))  # for the scripts that add what conda cannot
    ENGINE = engine_of(ENVIRONMENT, engine_versions) if DEPLOYED else engine_versions
    ENGINE = recorded_engine(Path(CONFIG["results"])) if CONFIG["analyse_only"] else ENGINE
    STUDY = as_decided(make_study(CONFIG, ENGINE))
    PLAN = plan_cells(STUDY)
    LEFT_OUT = check_recorded(STUDY, PLAN) if STUDY.analyse_only else None
    # Where nothing is to be measured, what is pending is in the store, and has only to be linked.
    PENDING = pending_launches(STUDY, PLAN)
    MEASURING = bool(PENDING) and not STUDY.analyse_only
    WALLTIMES_MIN = walltimes_min(STUDY, PENDING)
    refuse_older(older_measurements(STUDY, PLAN) if MEASURING else [])
    check_preconditions(STUDY, measuring=MEASURING, owner_of=owner_of)
    SLURM_RESOURCES = [
        slurm_resources(
            STUDY.deployments[item.deployment], os.environ, beside=is_beside(STUDY.settings, item.job.launch)
        )
        for item in PENDING
    ]
    if LEFT_OUT and workflow.is_main_process:
        print(f"llm-dvfs: {LEFT_OUT}", file=sys.stderr)
    if MEASURING and workflow.is_main_process:
        told = forecast(STUDY, PLAN, PENDING)
        refuse_over_budget(told)
        for said in [*long_requests(STUDY), *kept_apart(STUDY.workloads.values(), STUDY.settings)]:
            print(f"llm-dvfs: {said}", file=sys.stderr)
        if sys.stderr.isatty() or not {"-n", "--dry-run", "--dryrun"}.isdisjoint(sys.argv):
            print(f"llm-dvfs: {missing_in_words(told)}", file=sys.stderr)
            if otherwise := measured_otherwise(STUDY, [cell.id for cell in PLAN if not cell.is_held]):
                print(f"llm-dvfs: {otherwise}", file=sys.stderr)
except LlmDvfsError as error:
    sys.exit(f"llm-dvfs: {error}")  # one message: a WorkflowError would add where in this file it was raised

RESULTS = str(STUDY.results)
# A launch that takes the whole machine leaves no core to make anything until the last one has ended. On a cluster, or side
# by side, launches end while others run, and what is made of each does not wait for them.
ON_CLUSTER = workflow.resource_settings.nodes is not None
AWAITED = [planned for planned in PENDING if ON_CLUSTER or planned.job.side_by_side]
# The next launch may be prepared while another is measured: two jobs at once, and nothing else beside them.
PREPARING = (
    workflow.cores is not None
    and fit_two(workflow.cores)
    and not ON_CLUSTER
    and sum(is_prepared(STUDY.deployments[planned.deployment], STUDY.settings) for planned in PENDING) > 1
)
# What is made of a measurement carries in the names of its stamps what it was made from (records/made.py).
MADE = made_cells(
    PLAN,
    (cell_folder(STUDY.results, cell.id) for cell in PLAN),
    {
        "merge": code_hash(["commands.monitor_merge"]),
        "analyze": f"{code_hash(['commands.analyze'])} {compact_json(STUDY.gates)} {STUDY.seed}",
        "figures": code_hash(["commands.figures"]),
    },
    STUDY.drawn_cells,
    awaited_launches(PLAN, AWAITED, STUDY.results, is_main_process=workflow.is_main_process),
)
# Priority of what leads to the comparison: before the figures of cells, of which nothing else is made.
NUMBERS_FIRST = 1
# A cell that may fail has a job of its own, which nobody asks for when it has failed.
CELLS_OF_ONE_JOB = 1 if STUDY.tolerate_failed_cells else cells_a_job(len(PLAN))
# What is current has no rule, as what is measured has none. A report is made of rules, so that it has all of them.
TO_MAKE = [replace(cell, stale=frozenset(cell.stamps)) for cell in MADE] if REPORTING else MADE
# Whether the files of cells are outputs beside their stamps: for a report, for who asks for one by its name, and on a
# cluster, where Snakemake waits until a shared file system shows them.
WITH_FILES = REPORTING or ON_CLUSTER or any("/cells/" in word for word in sys.argv)
# What is current has no rule, and Snakemake would say of a file that is asked for by its name that nothing makes it.
ASKED = get_argument_parser().parse_known_args()[0].targets if WITH_FILES and workflow.is_main_process else []
if CURRENT := current_files(TO_MAKE, ASKED):
    told = f"llm-dvfs: {' '.join(CURRENT)}: there and current; to have it made again, remove it"
    if len(CURRENT) < len(ASKED):
        sys.exit(f"{told}; beside it Snakemake would stop, so ask for the rest alone")
    print(f"{told}; nothing to be done", file=sys.stderr)
    sys.exit(0)
CELLS = [str(cell_folder(STUDY.results, cell.id)) for cell in PLAN]


STAMPS = {str(cell.folder): cell.stamps for cell in MADE}


def list_of(cells):
    """Return the list of some analysed cells, whose name says which cells they are and from what they were made.

    It is written when a run starts: their folders, a line each, do not fit on a command line when they are many.
    """
    text = "\n".join(STAMPS[cell]["analyze"] for cell in sorted(cells))
    return f"{RESULTS}/jobs/cells-{hashlib.sha256(text.encode()).hexdigest()[:12]}.txt"


def digest_of(file):
    """Return what tells two contents of a file apart."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


CONDA = str(ENVIRONMENT).replace("{", "{{").replace("}", "}}")


RULE_NAMES = rule_names(STUDY.deployments)


def one_of(ids):
    """Return the regular expression of a wildcard that takes these ids and nothing else."""
    return "|".join(re.escape(str(item)) for item in ids)


def is_disaggregated(deployment):
    """Return whether a deployment has its phases on separate instances."""
    return "prefill" in STUDY.deployments[deployment].num_instances


def cells_of(deployment):
    """Return the folders of a deployment's cells."""
    return [cell for cell in CELLS if cell.startswith(f"{RESULTS}/cells/{deployment}/")]


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


def job_file(planned):
    """Return the file that tells a benchmark job its cells: they do not fit on a command line when they are many."""
    return f"{RESULTS}/jobs/{planned.deployment}.launch-{planned.job.launch}.json"


def wanted_of(planned):
    """Return one file that a launch's job makes and that is not there: with it come all others."""
    return planned.missing_link or f"{RESULTS}/jobs/{planned.one_start}"


# A launch's job makes all that is missing of it: one file of it says that a cell is measured.
LAUNCH_FILES = {str(cell.link): str(wanted_of(planned)) for planned in PENDING for cell in planned.cells}
# Beside launches that are prepared nothing else is made: cores are for two of them.
AFTER_LAUNCHES = list(dict.fromkeys(LAUNCH_FILES.values())) if PREPARING else []


def measurements_of(links):
    """Return what stands for some measurements: a file of each launch that is still to be measured.

    All links where somebody looks for them: a file that is asked for costs a plan time and memory (docs/planning.md).
    """
    return links if WITH_FILES else list(dict.fromkeys(LAUNCH_FILES[link] for link in links if link in LAUNCH_FILES))


def cells_file(deployment):
    """Return the file that lists the cells which a deployment's files are made of."""
    return f"{RESULTS}/deployments/{deployment}/{Path(list_of(cells_of(deployment))).name}"


def of_this_set(name):
    """Return the stamp of what a rule makes of this set of measurements, for its outputs, and for who needs them.

    The files themselves have one name for any set, and one that is missing in the middle of a chain is no reason to
    Snakemake to make again what follows from it. Where its memory was lost, `snakemake summary` showed another set.
    """
    return f"{COMPARISON}/.made/{name}-{Path(list_of(CELLS)).stem}"


def job_name(stage, part, cells):
    """Return the name of the rule that makes a stage of some cells of one deployment; `jobs` names the part."""
    return f"{stage}_{RULE_NAMES[cells[0].folder.parts[-4]]}_{part}"


def made_by(stage, cells):
    """Return what a job makes of its cells, as far as Snakemake is told: a stamp, and the files that somebody looks for.

    The command makes the stamps of all its cells, last of all, and one that was not there stands for them: an output
    more for each cell is what a plan takes most of its memory and time for (docs/planning.md). All stamps and files where
    somebody looks for them (WITH_FILES); the files of a cell where one of a stamped cell is gone, but never where files may
    be none. The stamp comes first: it is what other rules ask for, and Snakemake tries a rule's outputs in their order.
    """
    stamps = [STAMPS[str(cell.folder)][stage] for cell in cells]
    missing = [stamp for stamp in stamps if not Path(stamp).exists()]
    may_be_none = STUDY.tolerate_failed_cells or (stage == "figures" and STUDY.drawn_cells != "all")
    named = [cell for cell, stamp in zip(cells, stamps) if not may_be_none and (WITH_FILES or stamp not in missing)]
    told = stamps if WITH_FILES else (missing or stamps)[:1]
    return [*told, *(f"{cell.folder}/{name}" for cell in named for name in FILES[stage])]


def wanted_made(stage, cells):
    """Return one file of the job that makes a stage of some neighbours: one that is not there, so that all is made.

    Where the stage is made of all of them, the stamp of the first.
    """
    stale = [cell for cell in cells if stage in cell.stale]
    missing = (file for file in made_by(stage, stale) if not Path(file).exists())
    return next(missing, STAMPS[str((stale or cells)[0].folder)][stage])


def wanted_stages(stages, folders):
    """Return a file of every job that makes a stage of some measured cells: it stands for all that the job makes."""
    folders = set(folders)
    return [
        wanted_made(stage, cells)
        for stage in stages
        for _, cells in jobs(TO_MAKE, stage, CELLS_OF_ONE_JOB)
        if str(cells[0].folder) in folders
    ]


def cell_files(wildcards):
    """Return a file of every job that makes something of measured cells."""
    return wanted_stages(FILES, measured_cells())


def is_listed_anew(deployment):
    """Return whether the list of a deployment's cells has to be written: it is missing, or a cell is analysed anew.

    A cell that is known to have failed is not analysed.
    """
    return not Path(cells_file(deployment)).exists() or any(
        "analyze" in cell.stale
        for cell in TO_MAKE
        if cell.folder.parts[-4] == deployment
        and not (STUDY.tolerate_failed_cells and cell.measured.exists() and (cell.folder / "raw" / FAILED).exists())
    )


def archives():
    """Return the launches to put away: the name of each tar, which is of what is in it, and its cells."""
    launches = {}
    for cell in PLAN if CONFIG["archive"] else []:
        launches.setdefault((cell.id.deployment, cell.id.launch), []).append(cell)
    named = {}
    for (deployment, launch), cells in launches.items():
        digest = hashlib.sha256("\n".join(sorted(cell.key for cell in cells)).encode()).hexdigest()[:12]
        named[f"{deployment}.launch-{launch}.{digest}.tar"] = cells
    return named


def write_archive_lists():
    """Write what is in each tar, relative to the results: too much for a command line."""
    for name, cells in archives().items():
        links = [cell.link.relative_to(RESULTS) for cell in cells]
        write_text(Path(f"{RESULTS}/jobs/{name}.txt"), "".join(f"{link}\n{link.parent}/raw\n" for link in links))


def to_archive(wildcards):
    """Return what the archive holds when every launch has been put away."""
    if not CONFIG["archive"]:
        sys.exit(
            "llm-dvfs: archived: the study says no `archive`; expected an address, as --config archive=s3://bucket/study"
        )
    return STORED


def measured_deployments():
    """Return the deployments of which something was measured."""
    return [name for name in STUDY.deployments if deployment_cells(name)]


def deployment_files(wildcards):
    """Return the files of all deployments of which something was measured."""
    return [
        f"{RESULTS}/deployments/{name}/{file}"
        for name in measured_deployments()
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
ANSWERS = f"{RESULTS}/answers"
LOGS = f"{RESULTS}/logs"
