"""A study of 1,000 cells from raw files to the page: seconds and memory of each step, merge to report.

    python bench/report/thousand.py --page docs/report.md

Every cell has the raw files of one cell that was measured on two H100 (tests/golden), under ids of its own. Cells are
merged and analysed as the workflow does it: some to a job, as many jobs at once as there are cores. Their latencies are
then scaled by a made-up factor so that launches spread. The cells' own figures, which a study may do without, are timed
on one job alone. Nothing but times and memory is measured here.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "workflow")]

from page import host, marked_page, write_measured  # noqa: E402

from llmdvfs.plan.making import cells_a_job  # noqa: E402

MEASURED = ROOT / "tests" / "golden" / "disaggregated_small"
NUM_DEPLOYMENTS, NUM_WORKLOADS = 5, 20
SPREAD = 0.03  # log-sd of the made-up factor


class Timed(NamedTuple):
    """One step."""

    name: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    """Of the largest process so far."""


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


def ran(*command: str) -> None:
    """Run one command of ours."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run([sys.executable, "-m", "llmdvfs", *command], env=environment, check=True, stdout=subprocess.DEVNULL)


def timed(name: str, *commands: tuple[str, ...]) -> Timed:
    """Run commands of ours, as many at once as there are cores, and time them together."""
    before, begin_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as at_once:
        list(at_once.map(lambda command: ran(*command), commands))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(name, time.monotonic() - begin_s, cpu_s, after.ru_maxrss / 1024)


def table(num: int) -> str:
    """Return the table of docs/report.md."""
    folder = Path(tempfile.mkdtemp(prefix="llmdvfs-thousand-"))
    try:
        cells = make_cells(folder, num)
        most = cells_a_job(num)
        jobs = [tuple(map(str, cells[first : first + most])) for first in range(0, num, most)]
        listed, comparison = str(folder / "cells.txt"), str(folder / "comparison.json")
        Path(listed).write_text("".join(f"{cell}\n" for cell in cells))
        files = ("--csv", str(folder / "c.csv"), "--frequencies", str(folder / "f.csv"))
        drawn = ("figures", "comparison", "--comparison", comparison, "--output", str(folder / "f"))
        compared = ("--cells", listed, "--comparison", comparison)
        steps = [
            timed("merge", *[("monitor-merge", *job) for job in jobs]),
            timed("analysis", *[("analyze", "--seed", "1", *job) for job in jobs]),
        ]
        spread(cells)
        steps += [
            timed("comparison", ("compare", "--cells", listed, "--output", comparison, *files)),
            timed("its figures", drawn),
            timed("summary", ("summary", "--comparison", comparison)),
            timed("report", ("report", *compared, "--output", str(folder / "report.html"))),
        ]
        of_cells = [timed(f"figures of {len(jobs[0])} cells", ("figures", "cell", "--cell", *jobs[0]))]
        page_mb = (folder / "report.html").stat().st_size / 1e6
    finally:
        shutil.rmtree(folder)
    rows, more = (
        [f"| {one.name} | {one.wall_s:.0f} | {one.cpu_s:.0f} | {one.peak_mb:.0f} |" for one in some]
        for some in (steps, of_cells)
    )
    wall_s, cpu_s, peak_mb = (sum(one.wall_s for one in steps), sum(one.cpu_s for one in steps), steps[-1].peak_mb)
    return "\n".join(
        [
            f"{num:,} cells ({NUM_DEPLOYMENTS} deployments x {NUM_WORKLOADS} loads); {host()}.",
            "",
            "| step | wall, s | CPU, s | largest process so far, MB |",
            "|---|---|---|---|",
            *rows,
            f"| together | {wall_s:.0f} | {cpu_s:.0f} | {peak_mb:.0f} |",
            *more,
            "",
            f"The page has {page_mb:.1f} MB.",
        ]
    )


def main() -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument(
        "--page", type=marked_page("bench/report/thousand.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    text = table(options.cells)
    if options.page is None:
        print(text)
    else:
        write_measured(options.page, "bench/report/thousand.py", text)


if __name__ == "__main__":
    main()
