"""How long Snakemake takes to plan a study: `python bench/plan/bench.py --against ANOTHER_CHECKOUT`.

Two plans, of studies with a given number of cells (workloads x operating points x launches of one deployment): `dry
run`, nothing measured yet, and `no-op`, everything finished. The files of a finished study are stand-ins, all of
one age, and Snakemake remembers nothing of them, as after `make clean`: what is timed is the planning. Runs of the two
checkouts take turns, each with the executor plugins of its own lock. Then Snakemake alone: as many jobs and outputs as
this checkout's dry run has, and nothing of ours. Medians of CPU seconds (user and system, of the whole process), of
wall time and of peak memory.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "bench"), str(CHECKOUT / "workflow")]
from page import host, marked_page, write_measured  # noqa: E402

from llmdvfs.plan.making import cells_a_job  # noqa: E402

SNAKEMAKE = Path(sys.executable).parent / "snakemake"
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs")
MADE = ("timeline.csv", "phases.json", "result.json", "timeline.png", "timeline.pdf", "latency.png", "latency.pdf")
"""What a stamp of a cell stands for; a build may declare these files as outputs too, or not."""
# Snakemake imports every executor plugin that it finds, SLURM's with pandas: a checkout has those of its own lock.
HIDING = """
import pkgutil
known, found = {known!r}, pkgutil.iter_modules
def iter_modules(*args, **kwargs):
    plugin = "snakemake_executor_plugin_"
    return (own for own in found(*args, **kwargs) if not own.name.startswith(plugin) or own.name in known)
pkgutil.iter_modules = iter_modules
"""
NUM_WORKLOADS, NUM_POINTS = 10, 10
FINISH = """
import json
from pathlib import Path
import yaml
from llmdvfs.plan.cells import pending_launches
from llmdvfs.plan.config import complete_config
from llmdvfs.plan.study import make_study
try:
    from llmdvfs.serving.instance.engine_version import engine_versions
except ImportError:
    from llmdvfs.serving.engine_version import engine_versions
study = make_study(complete_config(yaml.safe_load(Path("config/config.yaml").read_text())), engine_versions)
run = lambda key: json.dumps({"key": key, "server_start": {"id": "start"}})
for planned in pending_launches(study):
    for cell, job in zip(planned.cells, planned.job.cells):
        name = getattr(cell, "id", cell)
        folder = study.results / "cells" / name.folder()
        if hasattr(cell, "link"):
            from llmdvfs.benchmark.store import deliver
            entry = study.results / "store" / job.key
            entry.mkdir(parents=True)
            (entry / "run.json").write_text(run(job.key))
            deliver(study.results, job.key, folder)
        else:
            (folder / "raw").mkdir(parents=True)
            (folder / "raw" / "run.json").write_text(run(job.key))
"""


def study_file(num_cells: int) -> str:
    """Return a configuration with so many cells."""
    workload = {
        "prompts": {"prompt_tokens": 16, "output_tokens": 4},
        "arrival": {"kind": "closed", "concurrency": 2},
        "num_requests": 30,
    }
    points = {f"p{number}": {"sm_clock_mhz": {"single": 600 + 60 * number}} for number in range(NUM_POINTS)}
    return json.dumps(
        {
            "device": "cuda",
            "launches": num_cells // (NUM_WORKLOADS * NUM_POINTS),
            "architectures": ["single"],
            "workloads": {f"w{number}": workload for number in range(NUM_WORKLOADS)},
            "operating_points": points,
        }
    )


def prepared(checkout: Path, num_cells: int, finished: bool, folder: Path) -> Path:
    """Return a copy of a checkout with the study, finished or not."""
    for part in PARTS:
        source = checkout / part
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / part)
    (folder / "config" / "config.yaml").write_text(study_file(num_cells))
    if finished:
        environment = os.environ | {"PYTHONPATH": str(folder / "workflow")}
        subprocess.run([sys.executable, "-c", FINISH], cwd=folder, env=environment, check=True)
        outputs = [line.split("\t")[0] for line in _said(folder, "--summary").splitlines()[1:]]
        # A plan tells Snakemake of one stamp a job; the job's command has those of all its cells.
        stamps = re.findall(r"\S+/\.made/[\w-]+", _said(folder, "--dry-run", "--printshellcmds"))
        for path in (folder / name for name in dict.fromkeys([*outputs, *stamps])):
            beside = [path.parents[1] / name for name in MADE] if path.parent.name == ".made" else []
            for file in {path, path.with_suffix(".pdf") if path.suffix == ".png" else path, *beside}:
                file.parent.mkdir(parents=True, exist_ok=True)
                if not file.exists():
                    file.write_text("{}\n")  # with content: an empty one is made again
        for file in (folder / "results").rglob("*"):
            os.utime(file, (0, 0), follow_symlinks=False)
    return folder


def _said(folder: Path, *options: str) -> str:
    command = [SNAKEMAKE, "--cores", "1", *options]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def plugins(checkout: Path) -> list[str]:
    """Return the executor plugins that `make run` installs."""
    lock = (checkout / "envs" / "cpu.lock").read_text().splitlines()
    names = [line.split("==")[0].replace("-", "_") for line in lock]
    return [name for name in names if name.startswith("snakemake_executor_plugin_")]


def alone(num_cells: int, folder: Path) -> Path:
    """Write a Snakefile with as many jobs and outputs as the plan of so many cells, and nothing of ours."""
    names = [f"cells/single_tiny/w/p/launch-{number}" for number in range(num_cells)]
    launches = [names[first : first + NUM_WORKLOADS * NUM_POINTS] for first in range(0, num_cells, 100)]
    jobs = [([], [f"{name}/measured" for name in launch]) for launch in launches]
    for first in names[:: cells_a_job(num_cells)]:
        jobs.append(([made[0] for _, made in jobs[: len(launches)]], [f"{first}/merge"]))
        jobs.append(([f"{first}/merge"], [f"{first}/analyze"]))
        jobs.append(([f"{first}/analyze"], [f"{first}/figures"]))
    (folder / "jobs.json").write_text(json.dumps(jobs))
    (folder / "Snakefile").write_text(
        "import json\n"
        "JOBS = json.load(open('jobs.json'))\n"
        "rule all:\n    input: [made[0] for needed, made in JOBS if 'figures' in made[0]]\n"
        "for number, (needed, made) in enumerate(JOBS):\n"
        "    rule:\n        name: f'job_{number}'\n        input: needed\n        output: made\n"
        "        shell: 'touch {output}'\n"
    )
    return folder


def with_plugins_of(checkout: Path, folder: Path) -> Path:
    """Have Snakemake find in a folder the executor plugins of a checkout's lock, whatever else is installed."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(HIDING.format(known=plugins(checkout)))
    return folder


def plan_once(folder: Path) -> tuple[float, float, float]:
    """Return CPU seconds, wall seconds and peak MB of one dry run."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [SNAKEMAKE, "--cores", "2", "-n", "--quiet", "all"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "site")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    output = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{folder}: {output}")
    return used.ru_utime + used.ru_stime, time.monotonic() - begin, used.ru_maxrss / 1024


def compare(against: Path, num_cells: int, finished: bool, runs: int) -> list[str]:
    """Return table rows of both checkouts and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / "this", Path(name) / "other"]
        for folder, checkout in zip(folders, (CHECKOUT, against), strict=True):
            folder.mkdir()
            with_plugins_of(checkout, prepared(checkout, num_cells, finished, folder))
            plan_once(folder)
        seen: list[list[tuple[float, float, float]]] = [[], []]
        for _ in range(runs):
            for folder, found in zip(folders, seen, strict=True):
                found.append(plan_once(folder))
    this, other = ([statistics.median(column) for column in zip(*found, strict=True)] for found in seen)
    ratios = [statistics.median(a[i] / b[i] for a, b in zip(*seen, strict=True)) for i in range(3)]
    kind = "no-op" if finished else "dry run"
    row = " | ".join(f"{a:.2f} | {b:.2f} | {ratio:.2f}" for a, b, ratio in zip(this, other, ratios, strict=True))
    return [f"| {kind}, {num_cells:,} cells | {row} |"]


def floor(num_cells: int, runs: int) -> str:
    """Return the table's row of Snakemake alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = with_plugins_of(CHECKOUT, alone(num_cells, Path(name)))
        seen = [plan_once(folder) for _ in range(runs)]
    row = " | ".join(f"{statistics.median(column):.2f} | |" for column in zip(*seen, strict=True))
    what = f"as many jobs and outputs as {num_cells:,} cells" if num_cells else "no job"
    return f"| Snakemake alone, {what} | {row} |"


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, required=True, help="a checkout of another version of this project")
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--page", type=marked_page("bench/plan/bench.py"), help="page of docs/ to write the table into")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    rows = [
        row
        for num_cells in options.cells
        for finished in (False, True)
        for row in compare(options.against.resolve(), num_cells, finished, options.runs)
    ]
    rows += [floor(num_cells, options.runs) for num_cells in (0, *options.cells)]
    table = "\n".join(
        [
            f"{host()}; medians of {options.runs} runs in turns",
            "",
            "| plan | CPU, s | before | ratio | wall, s | before | ratio | peak, MB | before | ratio |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )
    print(table)
    if options.page:
        write_measured(options.page, "bench/plan/bench.py", table)


if __name__ == "__main__":
    main()
