"""CPU time that others took on this host: the kernel's total, less that of this job's own processes."""

import os
from dataclasses import dataclass, field

import psutil

from llmdvfs.clock import NS_PER_S, mono_ns
from llmdvfs.records.run import OthersCpu
from llmdvfs.serving.lifetime import descendants

NUM_NAMED = 3
MIN_NAMED_CORES = 0.02  # less than that is every process of a quiet host


@dataclass(frozen=True, slots=True)
class HostCpu:
    """CPU time [s] that has been spent on this host up to an instant."""

    t_mono_ns: int
    busy_s: float
    """Time of all CPUs, spent by programs, by the kernel for them, and by other virtual machines. Interrupts are left
    out, since this job's own packets cause them."""
    own_s: float
    """Time of this job's processes, including those that have ended."""
    num_cpus: int
    others_s: dict[tuple[str, int], float] = field(default_factory=dict)
    """(name, process id) -> CPU time of every other process that can be seen."""


def host_cpu() -> HostCpu:
    """Return what has been spent so far.

    It takes milliseconds for a hundred processes, so it is never called while a load is measured.
    """
    times = psutil.cpu_times()
    busy_s = times.user + times.nice + times.system + getattr(times, "steal", 0.0)
    own = {os.getpid(), *descendants(os.getpid())}
    own_s, others_s = 0.0, {}
    for process in psutil.process_iter(("name", "cpu_times")):
        spent = process.info["cpu_times"]
        if spent is None:  # it has ended, or may not be looked at
            continue
        if process.pid in own:
            own_s += spent.user + spent.system + spent.children_user + spent.children_system
        else:
            others_s[process.info["name"], process.pid] = spent.user + spent.system
    return HostCpu(mono_ns(), busy_s, own_s, psutil.cpu_count() or 1, others_s)


def others_between(before: HostCpu, after: HostCpu) -> OthersCpu | None:
    """Return what others took between two looks; None where these are too close for the kernel's clock ticks."""
    wall_s = (after.t_mono_ns - before.t_mono_ns) / NS_PER_S
    if wall_s < 0.1:
        return None
    others_s = max((after.busy_s - before.busy_s) - (after.own_s - before.own_s), 0.0)
    cores = {who: (spent_s - before.others_s.get(who, 0.0)) / wall_s for who, spent_s in after.others_s.items()}
    largest = sorted(cores.items(), key=lambda one: -one[1])[:NUM_NAMED]
    return OthersCpu(
        fraction=others_s / wall_s / after.num_cpus,
        num_cpus=after.num_cpus,
        largest=tuple(f"{name} ({pid}) {took:.2f} CPUs" for (name, pid), took in largest if took >= MIN_NAMED_CORES),
    )
