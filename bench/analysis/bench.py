"""How long a large cell takes to merge, analyse and draw: `python bench/analysis/bench.py --against ANOTHER_CHECKOUT`.

The cell is made up (made_cell.py). Each stage is a process of its own, as a job of the workflow is; the runs of the two
checkouts take turns on one file. Medians of wall and CPU seconds (user and system) and of peak memory; `all` is the sum
of the stages' times and the largest of their peaks. Without --against only this checkout is run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from jobs import job_environment
from made_cell import make_raw
from page import host, marked_page, write_measured

CHECKOUT = Path(__file__).parents[2]
COMMANDS = ("merge", "analyse", "figures")
Used = tuple[float, float, float]
"""Wall seconds, CPU seconds, peak MB."""


def commands(cell: Path, checkout: Path) -> tuple[list[str], ...]:
    """Return what merges, analyses and draws the cell in a checkout; before keys were in paths each file was named."""
    raw, phases = str(cell / "raw"), str(cell / "phases.json")
    if not (checkout / "workflow" / "llmdvfs" / "records" / "made.py").exists():
        return (
            ["monitor-merge", "--raw", raw, "--phases", phases, "--timeline", str(cell / "timeline.csv")],
            ["analyze", "--raw", raw, "--phases", phases, "--seed", "1", "--output", str(cell / "result.json")],
            ["figures", "cell", "--cell", str(cell)],
        )
    return (
        ["monitor-merge", str(cell)],
        ["analyze", "--seed", "1", str(cell)],
        ["figures", "cell", "--cell", str(cell)],
    )


def run_stage(command: list[str], checkout: Path) -> Used:
    """Run one command of a checkout."""
    program = [sys.executable, "-m", "llmdvfs", *command]
    begin = time.monotonic()
    process = subprocess.Popen(program, cwd=checkout, env=job_environment(checkout))
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{checkout}: {' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def run_cell(raw: Path, checkout: Path) -> list[Used]:
    """Return what each stage took, and all of them."""
    with tempfile.TemporaryDirectory(dir=raw.parent) as folder:
        cell = Path(folder) / "deployment" / "workload" / "stock" / "launch-1"
        cell.mkdir(parents=True)
        (cell / "raw").symlink_to(raw)
        used = [run_stage(command, checkout) for command in commands(cell, checkout)]
    walls, cpus, peaks = zip(*used, strict=True)
    return [*used, (sum(walls), sum(cpus), max(peaks))]


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="a checkout of another version of this project")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--page", type=marked_page("bench/analysis/bench.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    checkouts = [CHECKOUT, *([options.against.resolve()] if options.against else [])]
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "raw"
        sizes = {"num_tokens": options.tokens, "num_streams": options.streams, "num_gpus": options.gpus}
        load_s = make_raw(raw, **sizes)
        seen: list[list[list[Used]]] = [[] for _ in checkouts]
        for _ in range(options.runs):
            for checkout, found in zip(checkouts, seen, strict=True):
                found.append(run_cell(raw, checkout))
    table = "\n".join([*head(options, load_s), *rows(seen)])
    print(table)
    if options.page:
        write_measured(options.page, "bench/analysis/bench.py", table)


def head(options: argparse.Namespace, load_s: float) -> list[str]:
    """Return the conditions and the table's first lines."""
    columns = ["wall, s", "CPU, s", "peak, MB"]
    if options.against:
        columns = [name for column in columns for name in (column, "before", "ratio")]
    return [
        f"{host()}; medians of {options.runs} runs; {options.tokens:,} tokens of {options.streams} streams in "
        f"{load_s:,.0f} s, {options.gpus} GPUs with counters every 20 ms and sensors every 100 ms",
        "",
        f"| stage | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]


def rows(seen: list[list[list[Used]]]) -> list[str]:
    """Return a row a stage; with two checkouts their ratio, the median of those of the runs."""
    found = []
    for number, stage in enumerate((*COMMANDS, "all")):
        cells = []
        for kind in range(3):
            values = [[run[number][kind] for run in runs] for runs in seen]
            cells += [f"{statistics.median(column):.3g}" for column in values]
            if len(values) > 1:
                cells.append(f"{statistics.median(a / b for a, b in zip(*values, strict=True)):.2f}")
        found.append(f"| {stage} | {' | '.join(cells)} |")
    return found


if __name__ == "__main__":
    main()
