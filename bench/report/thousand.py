"""A study of 1,000 cells from raw files to the page: seconds and memory of each step, merge to report.

    python bench/report/thousand.py --page docs/report.md

Every cell has the raw files of one cell that was measured on two H100 (tests/golden), under ids of its own. Cells are
merged and analysed as the workflow does it: some to a job, as many jobs at once as there are cores. Their latencies are
then scaled by a made-up factor so that launches spread. The cells' own figures, which a study may do without, are timed
on one job alone. Nothing but times and memory is measured here; medians of several runs.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "workflow")]

from jobs import job_environment  # noqa: E402
from page import host, marked_page, write_measured  # noqa: E402

from llmdvfs.plan.making import cells_a_job  # noqa: E402

MEASURED = ROOT / "tests" / "golden" / "disaggregated_small"
NUM_DEPLOYMENTS, NUM_WORKLOADS = 5, 20
SPREAD = 0.03  # log-sd of the made-up factor


class Timed(NamedTuple):
    """One step."""

    wall_s: float
    cpu_s: float
    """User and system, of all its processes."""
    peak_mb: float
    """Of its largest process."""


def make_cells(folder: Path, num: int) -> list[Path]:
    """Write the folders of the cells, as they are when they have been measured."""
    run = json.loads((MEASURED / "raw" / "run.json").read_text())
    names = [path.name for path in (MEASURED / "raw").iterdir() if path.name != "run.json"]
    cells = []
    for number in range(num):
        deployment, rest = number % NUM_DEPLOYMENTS, number // NUM_DEPLOYMENTS
        workload, launch = f"load-{1 + rest % NUM_WORKLOADS}", 1 + rest // NUM_WORKLOADS
        cell = {"deployment": f"d{deployment}", "workload": workload, "point": "stock", "launch": launch}
        place = folder / "cells" / cell["deployment"] / workload / "stock" / f"launch-{launch}"
        (place / "raw").mkdir(parents=True)
        for name in names:
            (place / "raw" / name).symlink_to(MEASURED / "raw" / name)
        own = run | {"cell": cell, "key": f"{number:016x}"}
        own["deployment"] = run["deployment"] | {"id": cell["deployment"]}
        own["workload"] = run["workload"] | {"id": workload}
        own["server_start"] = run["server_start"] | {"id": f"{deployment}-{launch}"}
        (place / "raw" / "run.json").write_text(json.dumps(own))
        cells.append(place)
    return cells


def spread(cells: list[Path]) -> None:
    """Scale the latencies of each cell's result by a factor of its own."""
    rng = random.Random(1)
    for cell in cells:
        result = json.loads((cell / "result.json").read_text())
        result["latency"] = _scaled(result["latency"], rng.lognormvariate(0, SPREAD))
        (cell / "result.json").write_text(json.dumps(result))


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, dict):
        return {key: _scaled(inner, factor) for key, inner in value.items()}
    return value * factor if isinstance(value, float) else value


def ran(*command: str) -> tuple[float, float]:
    """Run one command of ours as a job is; return CPU seconds and peak, MB."""
    command = (sys.executable, "-m", "llmdvfs", *command)
    process = subprocess.Popen(command, env=job_environment(ROOT), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def timed(*commands: tuple[str, ...]) -> Timed:
    """Run commands of ours, as many at once as there are cores, and time them together."""
    begin_s = time.monotonic()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as at_once:
        used = list(at_once.map(lambda command: ran(*command), commands))
    return Timed(time.monotonic() - begin_s, sum(cpu_s for cpu_s, _ in used), max(peak_mb for _, peak_mb in used))


def measure(num: int) -> tuple[dict[str, Timed], float]:
    """Return each step from raw files to the page, a job of cells' figures beside them, and the page's MB."""
    with tempfile.TemporaryDirectory(prefix="llmdvfs-thousand-") as name:
        folder = Path(name)
        cells = make_cells(folder, num)
        most = cells_a_job(num)
        jobs = [tuple(map(str, cells[first : first + most])) for first in range(0, num, most)]
        listed, comparison = str(folder / "cells.txt"), str(folder / "comparison.json")
        Path(listed).write_text("".join(f"{cell}\n" for cell in cells))
        files = ("--csv", str(folder / "c.csv"), "--frequencies", str(folder / "f.csv"))
        drawn = ("figures", "comparison", "--comparison", comparison, "--output", str(folder / "f"))
        compared = ("--cells", listed, "--comparison", comparison)
        steps = {
            "merge": timed(*[("monitor-merge", *job) for job in jobs]),
            "analysis": timed(*[("analyze", "--seed", "1", *job) for job in jobs]),
        }
        spread(cells)
        steps |= {
            "comparison": timed(("compare", "--cells", listed, "--output", comparison, *files)),
            "its figures": timed(drawn),
            "summary": timed(("summary", "--comparison", comparison)),
            "report": timed(("report", *compared, "--output", str(folder / "report.html"))),
        }
        steps["together"] = Timed(
            sum(step.wall_s for step in steps.values()),
            sum(step.cpu_s for step in steps.values()),
            max(step.peak_mb for step in steps.values()),
        )
        of_cells = timed(("figures", "cell", "--cell", *jobs[0]))
        return steps | {f"figures of {len(jobs[0])} cells": of_cells}, (folder / "report.html").stat().st_size / 1e6


def table(num: int, num_runs: int) -> str:
    """Return the table of docs/report.md: medians of so many runs."""
    runs = [measure(num) for _ in range(num_runs)]
    rows = []
    for name in runs[0][0]:
        medians = (statistics.median(values) for values in zip(*(steps[name] for steps, _ in runs), strict=True))
        rows.append(f"| {name} | {' | '.join(f'{value:.0f}' for value in medians)} |")
    return "\n".join(
        [
            f"{num:,} cells ({NUM_DEPLOYMENTS} deployments x {NUM_WORKLOADS} loads); {host()}; "
            f"medians of {num_runs} runs.",
            "",
            "| step | wall, s | CPU, s | largest process, MB |",
            "|---|---|---|---|",
            *rows,
            "",
            f"The page has {runs[0][1]:.1f} MB.",
        ]
    )


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--page", type=marked_page("bench/report/thousand.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    text = table(options.cells, options.runs)
    if options.page is None:
        print(text)
    else:
        write_measured(options.page, "bench/report/thousand.py", text)


if __name__ == "__main__":
    main()
