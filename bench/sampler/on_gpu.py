"""What the sampler's streams show of a real GPU, how they agree, and whether reading them disturbs the GPU's work.

    PYTHONPATH=workflow python bench/sampler/on_gpu.py [--gpu 0] [--json FILE] [--python PYTHON_WITH_TORCH]

About 100 s on one GPU with nothing else on it. Loads of torch (torch_loads.py) run one after another while the sampler
records everything; then one load is timed with and without the two fine streams (power samples, GPM), interleaved.
Nothing is set on the GPU: no clock, no limit, no mode. Printed: the mean power of each load by the energy counter and
by the other readings, HBM power, activity, what the power samples are like, and the ratio of the timed load's medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow")]

from llmdvfs.records.device_id import gpu_id  # noqa: E402
from llmdvfs.records.telemetry import Reading, SamplerReport  # noqa: E402
from llmdvfs.records.telemetry_file import read_telemetry  # noqa: E402
from llmdvfs.telemetry.sampler import start_sampler  # noqa: E402

LOADS = (("idle", 5), ("matmul", 8), ("copy", 8), ("step", 8), ("square-0.4", 8), ("square-0.1", 8), ("idle", 5))
SETTLING_S = 1.5  # the 1 s average and HBM power trail a load's begin by a second
TIMED_LOAD, TIMED_S, NUM_PAIRS = "step", 4.0, 5
INTERVAL_S, COUNTER_INTERVAL_S = 0.01, 0.02
POWERS = ("power_sample_w", "power_instant_w", "power_average_w")
ACTIVITY = ("sm_active_fraction", "tensor_active_fraction", "dram_active_fraction")


class Loads:
    """The process that loads the GPU."""

    def __init__(self, python: str, gpu: int, sleep: bool) -> None:
        command = [python, str(Path(__file__).with_name("torch_loads.py")), *(["--sleep"] if sleep else [])]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": str(gpu)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        if self._answer() != "ready":
            raise SystemExit(f"{python} could not start the loads; it needs torch with CUDA (see above)")

    def run(self, name: str, duration_s: float) -> dict[str, Any]:
        """Run one load to its end."""
        assert self._process.stdin is not None
        print(name, duration_s, file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._answer())
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def series(readings: Sequence[Reading], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Instants [ns] (middle of each reading) and values of a quantity, without nulls."""
    points = [
        ((r.begin_mono_ns + r.end_mono_ns) / 2, r.values[quantity])
        for r in readings
        if r.values.get(quantity) is not None
    ]
    array = np.array(sorted(points), dtype=float).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def between(readings: Sequence[Reading], quantity: str, begin_ns: float, end_ns: float) -> float | None:
    """Mean over time of a quantity, each value held until the next; None without two values."""
    t_ns, values = series(readings, quantity)
    inside = (t_ns >= begin_ns) & (t_ns <= end_ns)
    if inside.sum() < 2:
        return None
    return float(np.average(values[inside][:-1], weights=np.diff(t_ns[inside])))


def counter_power(readings: Sequence[Reading], begin_ns: float, end_ns: float) -> tuple[float, float, float] | None:
    """Mean power by the counter between its first and its last change in a stretch, and these two instants."""
    t_ns, energy_j = series(readings, "energy_j")
    inside = (t_ns >= begin_ns) & (t_ns <= end_ns)
    t_ns, energy_j = t_ns[inside], energy_j[inside]
    changes = np.flatnonzero(np.diff(energy_j)) + 1
    if len(changes) < 2:
        return None
    first, last = changes[0], changes[-1]
    return float((energy_j[last] - energy_j[first]) / (t_ns[last] - t_ns[first]) * 1e9), t_ns[first], t_ns[last]


def activity(readings: Sequence[Reading], quantity: str, begin_ns: float, end_ns: float) -> float | None:
    """Mean activity of the readings that lie wholly in a stretch."""
    whole = [r for r in readings if r.begin_mono_ns >= begin_ns and r.end_mono_ns <= end_ns]
    values = [value for r in whole if (value := r.values.get(quantity)) is not None]
    return statistics.fmean(values) if values else None


def describe(load: dict[str, Any], readings: Sequence[Reading]) -> dict[str, Any]:
    """One load's row."""
    begin_ns, end_ns = load["begin_ns"] + SETTLING_S * 1e9, load["end_ns"] - 0.1e9
    counted = counter_power(readings, begin_ns, end_ns)
    power_w, first_ns, last_ns = counted or (None, begin_ns, end_ns)
    return {
        "load": load["name"],
        "counter_w": power_w,
        **{name: between(readings, name, first_ns, last_ns) for name in POWERS},
        "memory_power_w": between(readings, "memory_power_w", begin_ns, end_ns),
        **{name: activity(readings, name, begin_ns, end_ns) for name in ACTIVITY},
        "iteration_p50_s": statistics.median(load["iteration_s"]) if load["iteration_s"] else None,
    }


def describe_samples(readings: Sequence[Reading]) -> dict[str, Any]:
    """How many power samples there were, how far apart, how new, and how well they are placed in time."""
    taken = sorted((r for r in readings if "power_sample_w" in r.values), key=lambda r: r.begin_mono_ns)
    values = [r.values["power_sample_w"] for r in taken]
    gaps_ms = np.diff([(r.begin_mono_ns + r.end_mono_ns) / 2e6 for r in taken])
    errors_us = [(r.end_mono_ns - r.begin_mono_ns) / 2e3 for r in taken]
    return {
        "num_samples": len(taken),
        "num_null": sum(value is None for value in values),
        "gap_ms_min_p50_p99_max": [float(np.percentile(gaps_ms, q)) for q in (0, 50, 99, 100)]
        if len(taken) > 1
        else None,
        "stamp_error_us_p50_max": [float(np.percentile(errors_us, q)) for q in (50, 100)] if taken else None,
        "num_repeated_stamps": int((gaps_ms <= 0).sum()),
        "share_unlike_its_neighbour": float(np.mean(np.diff(np.array(values, dtype=float)) != 0))
        if len(taken) > 1
        else None,
    }


def describe_activity(readings: Sequence[Reading]) -> dict[str, Any]:
    """How many readings of activity there were, over which times, and the causes of the nulls."""
    taken = [r for r in readings if ACTIVITY[0] in r.values]
    spans_ms = [(r.end_mono_ns - r.begin_mono_ns) / 1e6 for r in taken]
    return {
        "num_readings": len(taken),
        "span_ms_min_p50_max": [float(np.percentile(spans_ms, q)) for q in (0, 50, 100)] if taken else None,
        "causes_of_nulls": sorted({cause for r in taken for cause in r.errors.values()}),
    }


def cost(report: SamplerReport, wall_s: float) -> dict[str, Any]:
    """What the sampler says of itself."""
    return {
        "cpu_of_a_core": report.cpu_s / wall_s,
        "missed_fraction": report.num_missed_slots / max(report.num_slots, 1),
        "lateness_p99_s": report.lateness_p99_s,
        "error": report.error,
    }


def disturbance(loads: Loads, gpu: int, folder: Path) -> dict[str, Any]:
    """Medians of the timed load with and without the fine streams; which of a pair goes first alternates."""
    medians_s: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for pair in range(NUM_PAIRS):
        for is_fine in (True, False) if pair % 2 else (False, True):
            with start_sampler(
                folder / f"timed-{pair}-{is_fine}" / "telemetry.jsonl",
                interval_s=INTERVAL_S,
                counter_interval_s=COUNTER_INTERVAL_S,
                gpu_indices=[gpu],
                without=() if is_fine else ("activity", "samples"),
            ) as sampler:
                sampler.wait_ready()
                load = loads.run(TIMED_LOAD, TIMED_S)
                report = sampler.stop()
            medians_s[is_fine].append(statistics.median(load["iteration_s"][5:]))
            costs[is_fine].append(cost(report, TIMED_S))
    ratios = [fine / plain for fine, plain in zip(medians_s[True], medians_s[False], strict=True)]
    error = statistics.stdev(ratios) / len(ratios) ** 0.5
    return {
        "median_s_with": medians_s[True],
        "median_s_without": medians_s[False],
        "ratio_mean": statistics.fmean(ratios),
        "ratio_standard_error": error,
        "cpu_of_a_core_with": statistics.fmean(each["cpu_of_a_core"] for each in costs[True]),
        "cpu_of_a_core_without": statistics.fmean(each["cpu_of_a_core"] for each in costs[False]),
        "missed_fraction_with": statistics.fmean(each["missed_fraction"] for each in costs[True]),
        "missed_fraction_without": statistics.fmean(each["missed_fraction"] for each in costs[False]),
    }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything."""
    loads = Loads(options.python, options.gpu, options.sleep)
    try:
        with start_sampler(
            folder / "telemetry.jsonl",
            interval_s=INTERVAL_S,
            counter_interval_s=COUNTER_INTERVAL_S,
            gpu_indices=[options.gpu],
        ) as sampler:
            sampler.wait_ready()
            done = [loads.run(name, seconds * options.scale) for name, seconds in LOADS]
            report = sampler.stop()
        header, readings = read_telemetry(folder / "telemetry.jsonl")
        own = [reading for reading in readings if reading.device_id == gpu_id(options.gpu)]
        return {
            "gpu": next(device.name for device in header.devices if device.device_id == gpu_id(options.gpu)),
            "absences": header.absences,
            "loads": [describe(load, own) for load in done],
            "power_samples": describe_samples(own),
            "activity": describe_activity(own),
            "sampler": cost(report, (done[-1]["end_ns"] - done[0]["begin_ns"]) / 1e9),
            "disturbance": disturbance(loads, options.gpu, folder),
        }
    finally:
        loads.close()


def table(found: dict[str, Any]) -> str:
    """The loads' rows for people; power readings with their distance from the counter."""
    names = ("20 ms samples", "instant", "average")
    lines = [f"{'load':11} {'counter':>9} " + " ".join(f"{n:>15}" for n in names) + "     HBM  SM / tensor / DRAM"]
    for row in found["loads"]:
        counter_w = row["counter_w"]
        powers = [
            "-" if row[name] is None or not counter_w else f"{row[name]:.1f} ({row[name] / counter_w - 1:+.1%})"
            for name in POWERS
        ]
        shares = " / ".join("-" if row[name] is None else f"{row[name]:.0%}" for name in ACTIVITY)
        counter = "-" if counter_w is None else f"{counter_w:.1f} W"
        hbm = "-" if row["memory_power_w"] is None else f"{row['memory_power_w']:.1f}"
        lines.append(f"{row['load']:11} {counter:>9} " + " ".join(f"{p:>15}" for p in powers) + f" {hbm:>7}  {shares}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write the whole as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", type=int, default=0)
    parser.add_argument("--python", default=sys.executable, help="a Python with torch (default: this one)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path, help="a folder for the telemetry files (default: thrown away)")
    parser.add_argument("--sleep", action="store_true", help="no kernels: to try the command without a GPU")
    parser.add_argument("--scale", type=float, default=1.0, help="of the loads' durations")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(options, options.keep or Path(name))
    print(table(found))
    print(json.dumps({key: value for key, value in found.items() if key != "loads"}, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
