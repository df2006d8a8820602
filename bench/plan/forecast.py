"""How long `python -m llmdvfs plan` takes for a large study: `python bench/plan/forecast.py --cells 100000`.

The study has so many cells (10 workloads x 10 operating points x up to 1,000 launches x models), of which nothing is
measured. Told are the wall time and the peak memory of the whole process; the exit code is 1 where
they are above 60 s or 1 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from page import host
from plan.bench import study_file

CHECKOUT = Path(__file__).parents[2]
MAX_S, MAX_BYTES = 60.0, 1e9
MAX_CELLS_OF_A_MODEL = 100_000


def large_study(num_cells: int) -> str:
    """Return a configuration with so many cells, of as many models as it takes."""
    num_models = -(-num_cells // MAX_CELLS_OF_A_MODEL)
    config = json.loads(study_file(num_cells // num_models))
    return json.dumps(config | {"models": {f"m{number}": {"source": "tiny"} for number in range(num_models)}})


def plan_once(study: str) -> tuple[float, float, str]:
    """Return wall seconds, peak bytes and what was printed."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "study.json").write_text(study)
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "workflow")}
        begin = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "llmdvfs", "plan", "--configfile", "study.json"],
            cwd=name,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            printed = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit("plan failed: its message is above")
    return time.monotonic() - begin, used.ru_maxrss * 1024.0, printed


def main() -> int:
    """Plan, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=100_000)
    options = parser.parse_args()
    took_s, peak_bytes, printed = plan_once(large_study(options.cells))
    print(printed)
    print(f"{host()}: {options.cells:,} cells: {took_s:.1f} s, {peak_bytes / 1e6:.0f} MB at the peak")
    return int(took_s > MAX_S or peak_bytes > MAX_BYTES)


if __name__ == "__main__":
    sys.exit(main())
