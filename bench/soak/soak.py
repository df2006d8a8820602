"""Measures hundreds of small cells on real vLLM and watches what grows: memory, descriptors, processes, files.

    python bench/soak/soak.py [--cells 300] [--launches 2] [--folder FOLDER] [--page docs/soak.md]

Snakemake runs the benchmark jobs of a study of small cells as it runs those of any study, on a copy of this checkout in
FOLDER, with a home and a temporary folder of its own, so that every file that it leaves is seen. The last line says
whether anything grew; exit code 1: something did, or not all cells were measured.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import yaml
from soak_page import report, tables
from watch import Seen, files_in, left_over, look

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT / "bench"))
from page import marked_page, write_measured  # noqa: E402 (the path comes first)

PARTS = ("Snakefile", "workflow", "config", "profiles", "envs", "pyproject.toml")
SCRIPT = "bench/soak/soak.py"
ARCHITECTURES = ("single", "disaggregated")
PERIOD_S = 1.0
SOCKETS_EVERY = 20
SHAPES: tuple[dict[str, Any], ...] = (
    {"prompts": {"prompt_tokens": 80, "output_tokens": 1}, "arrival": {"kind": "closed", "concurrency": 1}},
    {"prompts": {"prompt_tokens": 48, "output_tokens": 12}, "arrival": {"kind": "closed", "concurrency": 1}},
    {"prompts": {"prompt_tokens": 80, "output_tokens": 8}, "arrival": {"kind": "closed", "concurrency": 4}},
    {"prompts": {"prompt_tokens": 48, "output_tokens": 8}, "arrival": {"kind": "waves", "wave_sizes": [4, 4]}},
)
"""In turns: prefill alone, decode alone, both at once, waves. No open loop: each new peak of requests in flight would
leave the pools of client, proxy and servers that much larger, and a leak could hide behind it."""


def study(num_workloads: int, num_launches: int) -> dict[str, Any]:
    """Return the study: the default one's servers, and workloads of half a second."""
    default = yaml.safe_load((CHECKOUT / "config" / "config.yaml").read_text(encoding="utf-8"))
    brief = {"duration_s": 0.4, "num_warmup_requests": 0}
    return default | {
        "launches": num_launches,
        "architectures": list(ARCHITECTURES),
        "workloads": {f"w{n:03}": SHAPES[n % len(SHAPES)] | brief for n in range(num_workloads)},
        "measure": {"idle_s": 0.1},
    }


def run(folder: Path, num_workloads: int, num_launches: int) -> tuple[int, Seen]:
    """Measure everything below `folder`, a line in samples.jsonl every second; return Snakemake's exit code."""
    checkout, home, temporary = (folder / name for name in ("checkout", "home", "tmp"))
    for own in (checkout, home, temporary):
        own.mkdir(parents=True)
    for part in PARTS:
        source = CHECKOUT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, checkout / part)
    (checkout / "config" / "config.yaml").write_text(yaml.safe_dump(study(num_workloads, num_launches)))
    jobs = [f"benchmark_{name}_tiny_launch_{n}" for n in range(1, num_launches + 1) for name in ARCHITECTURES]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "PYTHONPATH"))}
    environment |= {"HOME": str(home), "TMPDIR": str(temporary)}
    seen, number = Seen(), 0
    command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "all", "--until", *jobs]
    with (
        (folder / "snakemake.log").open("w") as log,
        (folder / "samples.jsonl").open("w") as samples,
        subprocess.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=log) as snakemake,
    ):
        # Ctrl-C and SIGTERM end Snakemake, which ends the servers in order; what was seen until then is judged.
        for number_of_signal in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number_of_signal, lambda *_: snakemake.send_signal(signal.SIGINT))
        begin = time.monotonic()
        while snakemake.poll() is None:
            held = look(snakemake.pid, [folder], seen, sockets=number % SOCKETS_EVERY == 0)
            line = {"t_s": time.monotonic() - begin, "held": {kind: asdict(one) for kind, one in held.items()}}
            samples.write(json.dumps(line | state(checkout, home, temporary, seen)) + "\n")
            samples.flush()
            number += 1
            time.sleep(max(0.0, begin + number * PERIOD_S - time.monotonic()))
        # The last line is of what is there when all has ended.
        samples.write(
            json.dumps({"t_s": time.monotonic() - begin, "held": {}} | state(checkout, home, temporary, seen))
        )
    return snakemake.returncode, seen


def state(checkout: Path, home: Path, temporary: Path, seen: Seen) -> dict[str, Any]:
    """Return which launch runs, how many cells are measured, and the files of every place."""
    results = checkout / "results"
    starts = sorted(results.glob("logs/servers/*/start-*"), key=lambda path: path.stat().st_mtime)
    return {
        "launch": starts[-1].parent.name if starts else None,
        "num_starts": len(starts),
        "num_cells": sum(1 for _ in results.glob("store/*")),
        "places": {
            "the project's folder": files_in(checkout, without=("results", ".snakemake")),
            "the home folder": files_in(home),
            "the temporary folder": files_in(temporary),
            "/dev/shm": (len(left_over(seen.shared_memory)), 0),
            "results": files_in(results),
        },
    }


def conditions(folder: Path) -> dict[str, Any]:
    """Return where it ran, and beside what."""
    return {
        "kernel": platform.release(),
        "num_cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load": os.getloadavg(),
        "versions": json.loads(next(folder.glob("checkout/results/deployments/*/launch.json")).read_text())[
            "engine_versions"
        ],
    }


def main() -> int:
    """Run, judge, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--launches", type=int, default=2, help="server starts of each architecture")
    parser.add_argument("--folder", type=Path, help="a new folder that is kept (default: a temporary one)")
    parser.add_argument("--page", type=marked_page(SCRIPT), help="a page with a marked part that the tables replace")
    options = parser.parse_args()
    num_workloads = max(1, options.cells // (options.launches * len(ARCHITECTURES)))
    num_cells = num_workloads * options.launches * len(ARCHITECTURES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary) / "soak").resolve()
        code, seen = run(folder, num_workloads, options.launches)
        samples = [json.loads(line) for line in (folder / "samples.jsonl").open()]
        found = tables(samples)
        text, failures = report(found, samples, conditions(folder), num_cells, seen, folder)
    if code:
        failures.append(f"snakemake ended with exit code {code}; see {folder}/snakemake.log")
    print(text)
    if options.page:
        write_measured(options.page, SCRIPT, text)
    for failure in failures:
        print(f"FAILED: {failure}")
    print("something grew or failed" if failures else "nothing grew")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
