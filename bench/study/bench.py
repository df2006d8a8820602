"""From the command to the figures: `python bench/study/bench.py --against ANOTHER_CHECKOUT [--set launches=1]`.

The default study, whole, by this checkout and by another one in turns, each in a copy of its own with real servers;
then what comes after the measurements alone, made again from the raw files. Medians of wall and CPU seconds (user and
system, of Snakemake and all that it starts), and the share of the servers' time that was measured load; of each run
where its seconds went. It needs a machine that nobody else uses: about ten minutes a run and checkout.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from page import beside, host, marked_page, write_measured
from study_folder import copy_of, remove_made, run_study
from timeline import held, timeline

CHECKOUT = Path(__file__).parents[2]
NS_PER_S = 1e9


def measured_share(folder: Path) -> float:
    """Return measured load over the time from each start of servers to the end of its last cell."""
    starts: dict[str, list[tuple[float, float, float]]] = {}
    for file in (folder / "results" / "cells").glob("*/*/*/launch-*/raw/run.json"):
        run = json.loads(file.read_text())
        end_ns = max(run["load_end_mono_ns"], (run["idle_after"] or [0, 0])[1])
        ended_unix_s = run["started_unix_s"] + (end_ns - run["started_mono_ns"]) / NS_PER_S
        load_s = (run["load_end_mono_ns"] - run["load_begin_mono_ns"]) / NS_PER_S
        start = run["server_start"]
        starts.setdefault(start["id"], []).append((start["started_unix_s"], ended_unix_s, load_s))
    held_s = sum(max(end for _, end, _ in own) - own[0][0] for own in starts.values())
    return sum(load_s for own in starts.values() for _, _, load_s in own) / held_s


def measure(checkout: Path, settings: list[str]) -> dict[str, float]:
    """Return what the whole study took, what it went into, and what is taken by what follows its measurements."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_of(checkout, folder)
        whole = run_study(folder, settings)
        starts = held(folder).values()
        share = measured_share(folder)
        print(f"{checkout}: {whole.wall_s:.1f} s\n\n{timeline(folder)}\n", flush=True)
        remove_made(folder)
        after = run_study(folder, settings)
        return {
            "study, wall s": whole.wall_s,
            "of it starts of servers": sum(parts["start of the servers"] for parts in starts),
            "load": sum(parts["load"] for parts in starts),
            "study, CPU s": whole.cpu_s,
            "after the measurements, wall s": after.wall_s,
            "after the measurements, CPU s": after.cpu_s,
            "measured load, share of the servers' time": share,
        }


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="a checkout of another version of this project")
    parser.add_argument("--set", nargs="*", default=[], help="settings of both, as after snakemake's --config")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--page", type=marked_page("bench/study/bench.py"), help="page of docs/ to write the table into"
    )
    options = parser.parse_args()
    checkouts = [CHECKOUT, *([options.against.resolve()] if options.against else [])]
    seen: list[list[dict[str, float]]] = [[] for _ in checkouts]
    for _ in range(options.runs):
        for checkout, found in zip(checkouts, seen, strict=True):
            found.append(measure(checkout, options.set))
    heads = ["this", "before", "ratio"] if options.against else ["this"]
    rows = {name: [[run[name] for run in found] for found in seen] for name in seen[0][0]}
    title = f"{host()}; medians of {options.runs} runs in turns; {' '.join(options.set) or 'as configured'}"
    table = beside(title, heads, rows)
    print(table)
    if options.page:
        write_measured(options.page, "bench/study/bench.py", table)


if __name__ == "__main__":
    main()
