"""What the sampler's two fine streams (power samples, GPM) cost and make it miss, beside runs without them: fake GPUs.

    python bench/sampler/streams.py [--gpus 8] [--interval 0.01] [--seconds 10] [--rounds 3]

The calls take as long as on an H100: power samples 1 ms a call, a GPM sample 0.28 ms, the energy counter 3.2 ms, all
others 2 us. Targets: less than 1 % of the slots missed, less than 10 % of a core.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests"), str(ROOT / "bench" / "sampler")]

from fakes.nvml import H200_CALL_COST_S, H200_COUNTER_COST_S, FakeNvml  # noqa: E402
from sampled import CallCost, SampledRun, sampled  # noqa: E402

from llmdvfs.telemetry.device import Cadence  # noqa: E402

SAMPLES_COST_S, GPM_COST_S = 1e-3, 0.28e-3  # measured on an H100
QUICK_CALLS = ("fields", "clock", "utilisation", "temperature", "memory", "event_reasons", "power_limit")
FINE: tuple[Cadence, ...] = ("activity", "samples")
NO_STREAM: tuple[Cadence, ...] = ()


COSTS = (
    CallCost(QUICK_CALLS, H200_CALL_COST_S, burn=True),
    CallCost(("energy",), H200_COUNTER_COST_S),
    CallCost(("samples",), SAMPLES_COST_S),
    CallCost(("gpm",), GPM_COST_S),
)


def main() -> None:
    """Print a row for each run and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--interval", type=float, default=0.01)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.gpus} fake GPUs every {options.interval * 1000:g} ms, {options.seconds:g} s a run;", end=" ")
    print(f"{os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.1f}")
    print(f"{'streams':14} {'missed':>8} {'CPU of a core':>14} {'readings':>9}")
    found: dict[str, list[SampledRun]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        library = FakeNvml.build(Path(folder))
        for _ in range(options.rounds):
            for name, without in (("without", FINE), ("with", NO_STREAM)):
                run = sampled(
                    library, options.gpus, COSTS, options.seconds, interval_s=options.interval, without=without
                )
                found[name].append(run)
                print(row(name, run.missed_fraction, run.cpu_of_a_core, run.report.num_readings), flush=True)
    for name, runs in found.items():
        medians = (
            statistics.median(run.missed_fraction for run in runs),
            statistics.median(run.cpu_of_a_core for run in runs),
            statistics.median(run.report.num_readings for run in runs),
        )
        print(row(f"{name}, median", *medians))


def row(name: str, missed_fraction: float, cpu_of_a_core: float, num_readings: float) -> str:
    """Return a line of the table."""
    return f"{name:14} {missed_fraction:8.2%} {cpu_of_a_core:14.1%} {num_readings:9}"


if __name__ == "__main__":
    main()
