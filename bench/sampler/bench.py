"""What the sampler costs and misses: fake GPUs, beside processes that keep every core busy.

    python bench/sampler/bench.py [--gpus 8] [--interval 0.01] [--seconds 20] [--busy N]

How a call of the driver spends its 50 us matters. Asleep: the thread waits in the kernel for the GPU's firmware, as the
energy counter's call does; the sampler then pays for a wake-up a call. Computing: the call runs in the kernel on the
sampler's own time, as most short calls do. Free: what the sampler itself costs. A real driver lies between.
Targets: less than 1 % of the slots missed; less than 10 % of a core, the time that calls compute not counted.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests"), str(ROOT / "bench" / "sampler")]

from fakes.nvml import H200_COUNTER_COST_S, FakeNvml  # noqa: E402
from sampled import CallCost, sampled  # noqa: E402

CALL_COST_S = 50e-6
STATE_CALLS = (
    "fields",
    "clock",
    "utilisation",
    "temperature",
    "memory",
    "event_reasons",
    "power_limit",
    "performance_state",
)
ROWS = (("free", 0.0, False), ("50 us asleep", CALL_COST_S, False), ("50 us computing", CALL_COST_S, True))


def measure(library: Path, options: argparse.Namespace, cost_s: float, burn: bool) -> str:
    """One row: what the sampler says of its slots, and its CPU time after its start, as a share of one core."""
    costs = (CallCost(STATE_CALLS, cost_s, burn), CallCost(("energy",), H200_COUNTER_COST_S if cost_s else 0.0))
    run = sampled(
        library,
        options.gpus,
        costs,
        options.seconds,
        interval_s=options.interval,
        counter_interval_s=options.counter_interval,
    )
    late_ms, report = 1000 * (run.report.lateness_p99_s or 0.0), run.report
    return (
        f"{report.num_slots:7} {run.missed_fraction:8.2%} {late_ms:16.2f} {run.cpu_of_a_core:13.1%} "
        f"{report.num_readings:9}"
    )


def main() -> None:
    """Print a table: without and with busy neighbours, for each way a call may spend its time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--interval", type=float, default=0.01)
    parser.add_argument("--counter-interval", type=float, default=0.02)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--busy", type=int, default=os.cpu_count(), help="busy processes (default: one a core)")
    options = parser.parse_args()
    print(f"{options.gpus} fake GPUs every {options.interval * 1000:g} ms, counters every", end=" ")
    print(f"{options.counter_interval * 1000:g} ms, {options.seconds:g} s a row; {os.cpu_count()} cores", end=" ")
    print(f"({platform.machine()}), load average before: {os.getloadavg()[0]:.1f}")
    print(f"{'calls':16} {'busy':>4} {'slots':>7} {'missed':>8} {'p99 late (ms)':>16} {'CPU of a core':>13}", end=" ")
    print(f"{'readings':>9}")
    with tempfile.TemporaryDirectory() as folder:
        library = FakeNvml.build(Path(folder))
        for num_busy in (0, options.busy):
            busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num_busy)]
            try:
                for name, cost_s, burn in ROWS:
                    print(f"{name:16} {num_busy:4} {measure(library, options, cost_s, burn)}", flush=True)
            finally:
                for process in busy:
                    process.kill()
                    process.wait()


if __name__ == "__main__":
    main()
