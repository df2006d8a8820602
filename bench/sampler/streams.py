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
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

from fakes.nvml import H200_CALL_COST_S, H200_COUNTER_COST_S, FakeNvml  # noqa: E402

from llmdvfs.telemetry.device import Cadence  # noqa: E402
from llmdvfs.telemetry.sampler import start_sampler  # noqa: E402

SAMPLES_COST_S, GPM_COST_S = 1e-3, 0.28e-3  # measured on an H100
QUICK_CALLS = ("fields", "clock", "utilisation", "temperature", "memory", "event_reasons", "power_limit")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
FINE: tuple[Cadence, ...] = ("activity", "samples")
NO_STREAM: tuple[Cadence, ...] = ()


def cpu_s(pid: int) -> float:
    """CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def measure(library: Path, options: argparse.Namespace, without: tuple[Cadence, ...]) -> tuple[float, float, int]:
    """Share of missed slots, share of a core, and readings of one run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fake = FakeNvml(folder / "gpus", options.gpus, library=library)
        fake.set_call_cost(H200_CALL_COST_S, QUICK_CALLS, burn=True)
        fake.set_call_cost(H200_COUNTER_COST_S, ["energy"])
        fake.set_call_cost(SAMPLES_COST_S, ["samples"])
        fake.set_call_cost(GPM_COST_S, ["gpm"])
        os.environ |= fake.environment()
        with start_sampler(folder / "telemetry.jsonl", interval_s=options.interval, without=without) as sampler:
            sampler.wait_ready()
            begin_s, begin_cpu_s = time.monotonic(), cpu_s(sampler.pid)
            time.sleep(options.seconds)
            used = (cpu_s(sampler.pid) - begin_cpu_s) / (time.monotonic() - begin_s)
            report = sampler.stop()
        fake.close()
    return report.num_missed_slots / report.num_slots, used, report.num_readings


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
    found: dict[str, list[tuple[float, float, int]]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        library = FakeNvml.build(Path(folder))
        for _ in range(options.rounds):
            for name, without in (("without", FINE), ("with", NO_STREAM)):
                missed, used, num_readings = measure(library, options, without)
                found[name].append((missed, used, num_readings))
                print(f"{name:14} {missed:8.2%} {used:14.1%} {num_readings:9}", flush=True)
    for name, rows in found.items():
        missed, used, num_readings = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name + ', median':14} {missed:8.2%} {used:14.1%} {num_readings:9}")


if __name__ == "__main__":
    main()
