"""Runs a client on a core of its own and watches what all of its processes use."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

# A client starts and parses at a full core: what lies between two readings is shared out by time, so they are close.
CPU_PERIOD_S = 0.02
MEMORY_PERIOD_S = 0.1  # a look at all processes of the host, and at every page of the client's
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


@dataclass(frozen=True)
class Watched:
    """What a client used from its start to its end."""

    started_mono_ns: int
    cpu_readings: list[tuple[int, float]]
    """Instant, and CPU time [s] of the client's processes that live and of those of its children that have ended."""
    max_memory_bytes: int
    """Proportional set size: shared pages are divided among their users."""
    max_num_processes: int
    returncode: int

    def cpu_between_s(self, begin_mono_ns: int, end_mono_ns: int) -> float:
        """Return the CPU time used between two instants, interpolated between readings."""
        begin_s, end_s = np.interp([begin_mono_ns, end_mono_ns], *zip(*self.cpu_readings, strict=True))
        return float(end_s - begin_s)


def watch(argv: list[str], *, core: int | None, environment: dict[str, str], log: Path, timeout_s: float) -> Watched:
    """Run the command to its end."""
    prefix = [] if core is None else ["taskset", "-c", str(core)]
    readings: list[tuple[int, float]] = []
    memory_bytes, num_processes, next_memory = 0, 0, 0.0
    with log.open("w") as file:
        started = time.monotonic_ns()
        process = subprocess.Popen(
            [*prefix, *argv], stdout=file, stderr=file, env=os.environ | environment, start_new_session=True
        )
        root = psutil.Process(process.pid)
        family = [root]
        while process.poll() is None:
            if time.monotonic() >= next_memory:
                next_memory = time.monotonic() + MEMORY_PERIOD_S
                family = [root, *_children(root)]
                sizes = list(_memory(family))
                memory_bytes, num_processes = max(memory_bytes, sum(sizes)), max(num_processes, len(sizes))
            with contextlib.suppress(*GONE):
                readings.append((time.monotonic_ns(), _cpu_s(root, family)))
            if time.monotonic_ns() - started > timeout_s * 1e9:
                for one in [*_children(root), root]:
                    one.kill()
                process.wait()
                break
            time.sleep(CPU_PERIOD_S)
    return Watched(started, readings, memory_bytes, num_processes, process.returncode)


def _children(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except GONE:
        return []


def _memory(family: list[psutil.Process]) -> Iterator[int]:
    for one in family:
        with contextlib.suppress(*GONE):
            yield one.memory_full_info().pss


def _cpu_s(root: psutil.Process, family: list[psutil.Process]) -> float:
    own = root.cpu_times()
    cpu_s = own.children_user + own.children_system
    for one in family:
        with contextlib.suppress(*GONE):
            times = own if one is root else one.cpu_times()
            cpu_s += times.user + times.system
    return cpu_s
