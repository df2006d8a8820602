"""Checks of the instruments: energy sources and clocks."""

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

from llmdvfs.doctor.gpus import candidates, is_usable
from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check
from llmdvfs.telemetry.discover import discover
from llmdvfs.telemetry.gpu_fine import activity_absence
from llmdvfs.telemetry.host_power import VARIABLE, host_power_probes
from llmdvfs.telemetry.nvml import NvmlGpu

SOURCES = {
    "nvml_counter": "the energy counter",
    "nvml_power": "power readings, integrated, for want of an energy counter,",
    "none": "no power data",
}
NO_ENERGY = "energies will be null; latencies are measured all the same"
SLOW_CLOCK_NS = 1000  # a clock that the kernel must be asked for, or a slow timer behind it
NUM_CLOCK_READS = 2000
ADJTIMEX_BYTES = 512  # more than struct timex has
TIME_ERROR = 5  # adjtimex: the clock is not synchronised


def energy(study: Study) -> Iterator[Check]:
    """Check where energy will come from: each GPU's own source, else the CPU's.

    Only GPUs that the study may take count; what others lack, a display beside them for instance, does not matter.
    """
    if not any(deployment.num_gpus for deployment in study.deployments.values()):
        yield _energy_of_cpu()
        return
    if not is_usable(study):
        yield Check("energy", "warning", "no GPU to read", NO_ENERGY)
        return
    found = discover(None, needed=())  # a GPU that does not answer is told below, and ends nothing here
    source = {device.index: device.energy_source for device in found.devices if device.kind == "gpu"}
    having: dict[str, list[int]] = {}
    for gpu in candidates(study):
        having.setdefault(source.get(gpu.index) or "none", []).append(gpu.index)
    told = [(text, having[name]) for name, text in SOURCES.items() if name in having]
    seen = "; ".join(f"{text} of GPU {', '.join(map(str, indices))}" for text, indices in told)
    if "none" in having:
        yield Check("energy", "warning", f"{seen} ({'; '.join(found.absences)})", NO_ENERGY)
    elif "nvml_power" in having:
        yield Check("energy", "warning", seen, "bursts shorter than the sensor's window are averaged")
    else:
        yield Check("energy", "ok", seen or "no GPU to read")


def activity(study: Study) -> Iterator[Check]:
    """Check whether the GPUs tell this process how busy their parts are (GPM), which needs a right of its own."""
    if not any(deployment.num_gpus for deployment in study.deployments.values()) or not is_usable(study):
        return
    having: list[str] = []
    for gpu in candidates(study):
        why_not = activity_absence(NvmlGpu(gpu.index))
        if why_not is None:
            having.append(str(gpu.index))
            continue
        advice = "without it no result says what a phase is bound by; everything else is measured all the same"
        yield Check("activity", "warning", f"GPU {gpu.index}: {why_not}", advice)
    if having:
        yield Check("activity", "ok", f"SM, tensor cores and DRAM of GPU {', '.join(having)}")


def _energy_of_cpu() -> Check:
    found = discover(())
    if found.energy_source == "rapl":
        return Check("energy", "ok", "RAPL, of whole CPU packages")
    return Check("energy", "warning", f"no power data on this machine: {'; '.join(found.absences)}", NO_ENERGY)


def host_power() -> Iterator[Check]:
    """Check whether the power of the whole host can be read, where the environment says how; nothing where not."""
    probes, absence = host_power_probes()
    if absence:
        yield Check(
            "host power", "warning", absence, f"mend it, or unset {VARIABLE}: the rest is measured all the same"
        )
    elif probes:
        told = ((probe.device.device_id, probe.read().values["power_average_w"]) for probe in probes)
        seen = ", ".join(f"{name} {'not told' if power_w is None else f'{power_w:.0f} W'}" for name, power_w in told)
        yield Check("host power", "ok", seen)


def clock(root: Path = Path("/")) -> Iterator[Check]:
    """Check the clock that every time stamp is taken from, and what reading it costs."""
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
    """Check whether the kernel holds the wall clock for synchronised; that is read, and nothing changed."""
    libc = ctypes.CDLL(None, use_errno=True)
    answer = libc.adjtimex(ctypes.create_string_buffer(ADJTIMEX_BYTES))  # modes = 0: nothing is adjusted
    if answer < 0:
        yield Check("wall clock", "ok", "not told here; durations do not depend on it")
    elif answer == TIME_ERROR:
        seen = "not synchronised: dates of results may be off, durations are not"
        yield Check("wall clock", "warning", seen, "run chrony or systemd-timesyncd if dates matter")
    else:
        yield Check("wall clock", "ok", "synchronised")
