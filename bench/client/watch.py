"""Runs a client on a core of its own and watches what all of its processes use."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

PERIOD_S = 0.1


@dataclass(frozen=True)
class Sample:
    mono_ns: int
    cpu_s: float
    """Of the client's processes that live, and of those of its children that have ended."""
    memory_bytes: int
    """Proportional set size: shared pages are divided among their users."""
    num_processes: int


@dataclass(frozen=True)
class Watched:
    started_mono_ns: int
    samples: list[Sample]
    returncode: int

    def cpu_between_s(self, begin_mono_ns: int, end_mono_ns: int) -> float:
        """Return the CPU time used between two instants, interpolated between samples."""
        instants, cpu_s = [s.mono_ns for s in self.samples], [s.cpu_s for s in self.samples]
        begin_s, end_s = np.interp([begin_mono_ns, end_mono_ns], instants, cpu_s)
        return float(end_s - begin_s)


def watch(argv: list[str], *, core: int | None, environment: dict[str, str], log: Path, timeout_s: float) -> Watched:
    """Run the command to its end."""
    prefix = [] if core is None else ["taskset", "-c", str(core)]
    samples: list[Sample] = []
    with log.open("w") as file:
        started = time.monotonic_ns()
        process = subprocess.Popen(
            [*prefix, *argv], stdout=file, stderr=file, env=os.environ | environment, start_new_session=True
        )
        root = psutil.Process(process.pid)
        while process.poll() is None:
            sample = _sample(root)
            if sample is not None:
                samples.append(sample)
            if time.monotonic_ns() - started > timeout_s * 1e9:
                for one in [*root.children(recursive=True), root]:
                    one.kill()
                process.wait()
                break
            time.sleep(PERIOD_S)
    return Watched(started, samples, process.returncode)


def _sample(root: psutil.Process) -> Sample | None:
    cpu_s, memory, num = 0.0, 0, 0
    try:
        family = [root, *root.children(recursive=True)]
        times = root.cpu_times()
        cpu_s += times.children_user + times.children_system
    except psutil.NoSuchProcess:
        return None
    for one in family:
        try:
            times = one.cpu_times()
            memory += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
        cpu_s += times.user + times.system
        num += 1
    return Sample(time.monotonic_ns(), cpu_s, memory, num) if num else None
