"""Where each second of a study went: `python bench/study/timeline.py FOLDER`, the folder in which Snakemake ran.

The time for which servers are held is told by run.json of the cells: the parts of each start, one after another. The
rest is told by Snakemake's own log, to a second: what a benchmark job did without servers, and what ran beside none.
"""

import json
import re
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

NS_PER_S = 1e9
PARTS = ("start of the servers", "first answers", "rest", "warm-up", "load", "after the load")
STAMP = re.compile(r"^\[(\w{3} \w{3} +\d+ [\d:]{8} \d{4})\]")
JOB = re.compile(r"^\s+jobid: (\d+)|^(?:local)?rule (\w+):|^Finished jobid: (\d+)")
Record = dict[str, Any]
Parts = dict[str, float]


def held(folder: Path) -> dict[str, Parts]:
    """Return the parts [s] of the time for which the servers of each start were held, by deployment and launch."""
    starts: dict[str, list[Record]] = defaultdict(list)
    for file in (folder / "results" / "cells").glob("*/*/*/launch-*/raw/run.json"):
        cell = file.parts[-6:]
        starts[f"{cell[0]} {cell[3]}"].append(json.loads(file.read_text()))
    ordered = sorted(starts.items(), key=lambda item: item[1][0]["server_start"]["started_unix_s"])
    return {name: parts_of(runs) for name, runs in ordered}


def parts_of(runs: list[Record]) -> Parts:
    """Return the parts [s] of one start, from what run.json says of its cells."""
    start = runs[0]["server_start"]
    begin_ns = runs[0]["started_mono_ns"] + (start["started_unix_s"] - runs[0]["started_unix_s"]) * NS_PER_S
    spans = {(run["load_begin_mono_ns"], run["load_end_mono_ns"], "load") for run in runs}
    # neighbours may share a window: a set
    spans |= {(*run[window], "rest") for run in runs for window in ("idle_before", "idle_after") if run[window]}
    parts = dict.fromkeys(PARTS, 0.0)
    parts["start of the servers"] = max(instance["startup_s"] for instance in start["instances"])
    at_ns, before = begin_ns + parts["start of the servers"] * NS_PER_S, "first answers"
    for span_begin, span_end, name in sorted(spans):
        parts["warm-up" if name == "load" else before] += (span_begin - at_ns) / NS_PER_S
        parts[name] += (span_end - span_begin) / NS_PER_S
        at_ns, before = span_end, "after the load"
    return parts


def jobs(log: str) -> list[tuple[str, datetime, datetime]]:
    """Return rule, begin and end of each job by Snakemake's log."""
    rules, begins, found = dict[str, str](), dict[str, datetime](), list[tuple[str, datetime, datetime]]()
    at, rule = datetime.min, ""
    for line in log.splitlines():
        if stamp := STAMP.match(line):
            at = datetime.strptime(stamp[1], "%a %b %d %H:%M:%S %Y")
        elif said := JOB.match(line):
            begun, named, finished = said.groups()
            rule = named or rule
            if begun:
                rules[begun], begins[begun] = rule, at
            elif finished in begins:
                found.append((rules[finished], begins[finished], at))
    return found


def timeline(folder: Path) -> str:
    """Return the Markdown table of a study: its starts of servers, and below what else its time went into."""
    starts = held(folder)
    log = min((folder / ".snakemake" / "log").iterdir()).read_text()  # the first run: it measured
    rows = [f"| s | {' | '.join(starts)} | all |", "|---" * (len(starts) + 2) + "|"]
    for part in (*PARTS, "held"):
        values = [sum(own.values()) if part == "held" else own[part] for own in starts.values()]
        rows.append(f"| {part} | {' | '.join(f'{value:.1f}' for value in (*values, sum(values)))} |")
    ran = [job for job in jobs(log) if job[0] != "all"]
    measuring = [(begin, end) for rule, begin, end in ran if rule.startswith("benchmark")]
    if not measuring:  # a log of `snakemake --quiet` has no jobs
        return "\n".join(rows)
    without_s = sum((end - begin).total_seconds() for begin, end in measuring)
    without_s -= sum(sum(own.values()) for own in starts.values())
    after_s = (max(end for _, _, end in ran) - max(end for _, end in measuring)).total_seconds()
    rows += ["", f"Benchmark jobs without servers (begin, end of the servers, calibration): {without_s:.0f} s"]
    return "\n".join([*rows, f"After the last of them: {after_s:.0f} s"])


if __name__ == "__main__":
    print(timeline(Path(sys.argv[1])))
