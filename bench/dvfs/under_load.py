"""What points under one running load cost in time against a cell a point, on real vLLM; no clock is set.

    python bench/dvfs/under_load.py --output FOLDER [--points 5] [--duration-s 10] [--page docs/dvfs.md]

One launch of one instance of the generated model on this machine's CPU, measured twice by the same job: each of some
points, which ask for nothing, as a cell of its own, and under one running load. All points are the same, so their
figures have to agree within a way and between both. A folder that was measured before is only read again.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "bench")]

from page import host, marked_page, write_measured  # noqa: E402

from llmdvfs.analysis.axis.merge import merge  # noqa: E402
from llmdvfs.analysis.cell import analyze_cell  # noqa: E402
from llmdvfs.plan.cells import all_cells, pending_launches  # noqa: E402
from llmdvfs.plan.config import complete_config  # noqa: E402
from llmdvfs.plan.study import Study, make_study  # noqa: E402
from llmdvfs.records.places import cell_folder  # noqa: E402
from llmdvfs.records.raw import RawCell, read_raw  # noqa: E402
from llmdvfs.records.result import CellResult  # noqa: E402
from llmdvfs.records.store import write_record  # noqa: E402
from llmdvfs.serving.instance.engine_version import engine_versions  # noqa: E402
from llmdvfs.serving.planned import plan_launch  # noqa: E402

CLOCK = "%H:%M:%S"
WAYS = {"a cell a point": False, "points under one load": True}


@dataclass(frozen=True)
class Way:
    """One way to measure the same points."""

    name: str
    wall_s: float
    """Of the job, from the start of the servers to their end."""
    held_s: float
    """With servers ready."""
    load_s: float
    """Measured."""
    further_point_s: float
    """What one more point costs beside its load: median time from one begin to the next, less the load between."""
    cells: list[CellResult]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="an empty folder for both measurements")
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--duration-s", type=float, default=10.0)
    parser.add_argument(
        "--page", type=marked_page("bench/dvfs/under_load.py"), help="page of docs/ that takes the table"
    )
    options = parser.parse_args()
    ways = [measure(name, shares, options) for name, shares in WAYS.items()]
    text = "\n".join([f"{host()}; {options.points} points of {options.duration_s:g} s each.", "", *table(ways)])
    print(text)
    if options.page is not None:
        write_measured(options.page, "bench/dvfs/under_load.py", text)
    return 0


def study(folder: Path, shares_load: bool, num_points: int, duration_s: float) -> Study:
    config: dict[str, Any] = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    config |= {
        "results": str(folder / "results"),
        "launches": 1,
        "architectures": ["single"],
        "operating_points": {"stock": {}} | {f"same-{number}": {} for number in range(1, num_points)},
        "workloads": {
            "loop": {
                "prompts": {"prompt_tokens": 64, "output_tokens": 32},
                "arrival": {"kind": "closed", "concurrency": 4},
                "duration_s": duration_s,
                "num_warmup_requests": 8,
            }
        },
        "measure": {"points_under_load": shares_load},
    }
    return make_study(complete_config(config), engine_versions)


def measure(name: str, shares_load: bool, options: argparse.Namespace) -> Way:
    folder = options.output / ("under_load" if shares_load else "apart")
    planned_study = study(folder, shares_load, options.points, options.duration_s)
    (deployment,) = planned_study.deployments.values()
    log = folder / "benchmark.log"
    if not log.exists():
        (planned,) = pending_launches(planned_study)
        write_record(folder / "launch.json", plan_launch(deployment, options.output / "models"))
        write_record(folder / "job.json", planned.job)
        command = [sys.executable, "-m", "llmdvfs", "benchmark", "--launch", str(folder / "launch.json")]
        command += ["--job", str(folder / "job.json"), "--results", str(planned_study.results), "--log", str(log)]
        subprocess.run(command, check=True, cwd=ROOT / "workflow")
    lines = log.read_text(encoding="utf-8").splitlines()
    begun, ended = (next(line for line in lines if what in line) for what in ("starting servers", "servers stopped"))
    wall_s = (datetime.strptime(ended[:8], CLOCK) - datetime.strptime(begun[:8], CLOCK)).total_seconds()
    told = next(found for line in lines if (found := re.search(r"([\d.]+) of ([\d.]+) s with servers ready", line)))
    raws = sorted(read_cells(planned_study), key=lambda raw: raw.run.started_mono_ns)
    further_s = [
        (after.run.started_mono_ns - before.run.started_mono_ns) / 1e9 - before.run.measured_load_s
        for before, after in pairwise(raws)
    ]
    return Way(name, wall_s, float(told[2]), float(told[1]), median(further_s), list(map(result, raws)))


def read_cells(planned: Study) -> Iterator[RawCell]:
    return (read_raw(cell_folder(planned.results, cell) / "raw") for cell in all_cells(planned))


def result(raw: RawCell) -> CellResult:
    phases, _ = merge(raw)
    return analyze_cell(raw, phases, limits={}, seed=1)


def table(ways: list[Way]) -> Iterator[str]:
    yield (
        "| way | job | servers ready | of which measured | a further point, beside its load "
        "| output tokens/s: mean, sd | TPOT: mean, sd | steady |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for way in ways:
        rates = [cell.throughput.output_token_rate_per_s or 0.0 for cell in way.cells]
        tpots_ms = [1e3 * (cell.latency.tpot_s.mean or 0.0) for cell in way.cells]
        num_steady = sum(cell.window.kind == "steady" for cell in way.cells)
        yield (
            f"| {way.name} | {way.wall_s:.0f} s | {way.held_s:.0f} s | {way.load_s / way.held_s:.0%} | "
            f"{way.further_point_s:.1f} s | "
            f"{fmean(rates):.1f}, {stdev(rates):.1f} | {fmean(tpots_ms):.2f}, {stdev(tpots_ms):.2f} ms | "
            f"{num_steady} of {len(way.cells)} |"
        )


if __name__ == "__main__":
    raise SystemExit(main())
