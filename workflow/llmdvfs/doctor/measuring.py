"""The instruments: energy sources and clocks."""

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check
from llmdvfs.telemetry.discover import discover

SLOW_CLOCK_NS = 1000  # a clock that the kernel must be asked for, or a slow timer behind it
NUM_CLOCK_READS = 2000
ADJTIMEX_BYTES = 512  # more than struct timex has
TIME_ERROR = 5  # adjtimex: the clock is not synchronised


def energy(study: Study) -> Iterator[Check]:
    """Say where energy will come from."""
    on_gpu = any(deployment.num_gpus for deployment in study.deployments.values())
    found = discover(None if on_gpu else ())
    seen = {
        "nvml_counter": "the GPUs' energy counters",
        "nvml_power": "the GPUs' power readings, integrated: a GPU has no energy counter",
        "rapl": "RAPL, of whole CPU packages",
        "none": f"no power data on this machine: {'; '.join(found.absences)}",
    }[found.energy_source]
    if found.energy_source == "none":
        yield Check("energy", "warning", seen, "energies will be null; latencies are measured all the same")
    elif found.energy_source == "nvml_power":
        yield Check("energy", "warning", seen, "bursts shorter than the sensor's window are averaged")
    else:
        yield Check("energy", "ok", seen)


def clock(root: Path = Path("/")) -> Iterator[Check]:
    """Look at the clock that every stamp is taken from, and what reading it costs."""
    begin = time.perf_counter_ns()
    for _ in range(NUM_CLOCK_READS):
        time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    cost_ns = (time.perf_counter_ns() - begin) / NUM_CLOCK_READS
    file = root / "sys/devices/system/clocksource/clocksource0/current_clocksource"
    source = file.read_text().strip() if file.exists() else "not told"
    seen = f"CLOCK_MONOTONIC from {source}, {cost_ns:.0f} ns a reading"
    if cost_ns > SLOW_CLOCK_NS:
        yield Check("clock", "warning", seen, "stamps cost time: boot with clocksource=tsc if the host's is stable")
    else:
        yield Check("clock", "ok", seen)


def wall_clock() -> Iterator[Check]:
    """Say whether the kernel holds the wall clock for synchronised; it is read with no change."""
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.adjtimex(ctypes.create_string_buffer(ADJTIMEX_BYTES))  # modes = 0: nothing is adjusted
    if answer < 0:
        yield Check("wall clock", "ok", "not told here; durations do not depend on it")
    elif answer == TIME_ERROR:
        seen = "not synchronised: dates of results may be off, durations are not"
        yield Check("wall clock", "warning", seen, "run chrony or systemd-timesyncd if dates matter")
    else:
        yield Check("wall clock", "ok", "synchronised")
