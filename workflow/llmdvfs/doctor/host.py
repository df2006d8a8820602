"""Checks of the host: CPUs and what a container leaves of them, memory, disk, other work."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from llmdvfs.benchmark.host_lock import measuring_lock
from llmdvfs.connectors.version import version_tuple
from llmdvfs.doctor.cgroup import cpu_limit, memory_left_bytes
from llmdvfs.doctor.model import config_folder
from llmdvfs.errors import LockError
from llmdvfs.host.lock import holder_of, open_lock
from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check
from llmdvfs.serving.instance.memory import host_forecast, host_total_bytes

GIB, MIB = 2**30, 2**20
LITTLE_DISK_BYTES, NO_DISK_BYTES = 10 * GIB, 1 * GIB  # a GPU study of 45 cells took 1 GiB
LITTLE_SHARED_BYTES = 1 * GIB  # of /dev/shm: containers get 64 MiB, NCCL and workers want more
BUSY_FRACTION = 0.2  # load of the last minute over the number of CPUs
INSTRUMENT_CPUS = 1  # load generator, sampler and proxy together


def cpus(study: Study, root: Path = Path("/")) -> Iterator[Check]:
    """Check that this process may use as many CPUs as a CPU study's servers keep busy."""
    allowed, limit = len(os.sched_getaffinity(0)), cpu_limit(root)
    usable = allowed if limit is None else min(float(allowed), limit)
    seen = f"{usable:g} of {os.cpu_count()} usable" + (f" (cgroup limit {limit:g})" if limit is not None else "")
    needed = INSTRUMENT_CPUS + max(_server_threads(study))
    if usable < needed:
        advice = "their times include waiting for a CPU: use fewer instances or threads, or allow more CPUs"
        yield Check("CPUs", "warning", f"{seen}; servers, client and sampler keep {needed} busy", advice)
    else:
        yield Check("CPUs", "ok", seen)


def _server_threads(study: Study) -> Iterator[int]:
    for deployment in study.deployments.values():
        per_role = {role: engine.omp_num_threads or 1 for role, engine in deployment.engine.items()}
        on_cpu = deployment.device == "cpu"
        yield sum(per_role[role] * count if on_cpu else count for role, count in deployment.num_instances.items())


def memory(study: Study, root: Path = Path("/")) -> Iterator[Check]:
    """Check that the servers of each CPU deployment fit into the memory that is left."""
    left = memory_left_bytes(root)
    available = psutil.virtual_memory().available if left is None else min(psutil.virtual_memory().available, left)
    refusals: list[str] = []
    doubts: list[str] = []
    for deployment in study.deployments.values():
        with config_folder(deployment.model) as folder:
            if deployment.device != "cpu" or folder is None:
                continue
            version = version_tuple(study.engine_versions["vllm"])
            forecast = host_forecast(
                deployment, folder, available, total_bytes=host_total_bytes(), engine_version=version
            )
        (refusals if deployment.memory_check else doubts).extend(filter(None, [forecast.impossible]))
        doubts.extend(filter(None, [forecast.doubtful]))
    seen = f"{available / GIB:.1f} GiB available"
    if refusals:
        yield Check("memory", "problem", refusals[0], "see the message")
    elif doubts:
        yield Check("memory", "warning", doubts[0], "see the message")
    elif available < GIB:
        yield Check("memory", "warning", seen, "end what else runs")
    else:
        yield Check("memory", "ok", seen)


def disk(study: Study) -> Iterator[Check]:
    """Check that there is room where results will be written."""
    place = next(folder for folder in (study.results, *study.results.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    seen = f"{free / GIB:.1f} GiB free for {study.results}"
    if free < NO_DISK_BYTES:
        yield Check("disk", "problem", seen, f"make {NO_DISK_BYTES / GIB:g} GiB of room, or set results")
    elif free < LITTLE_DISK_BYTES:
        yield Check("disk", "warning", seen, "a long study writes gigabytes; models from a hub come on top")
    else:
        yield Check("disk", "ok", seen)


def shared_memory(study: Study, folder: Path = Path("/dev/shm")) -> Iterator[Check]:
    """Check the size of /dev/shm, through which the workers of one instance talk."""
    if not folder.is_dir():
        yield Check("shared memory", "problem", f"no {folder}", f"mount a tmpfs on {folder}")
        return
    free = shutil.disk_usage(folder).free
    seen = f"{free / MIB:.0f} MiB free in {folder}"
    several = any(e.tensor_parallel_size > 1 for d in study.deployments.values() for e in d.engine.values())
    if free < LITTLE_SHARED_BYTES and several:
        yield Check("shared memory", "warning", seen, "tensor parallelism wants 1 GiB: docker run --shm-size=8g")
    else:
        yield Check("shared memory", "ok", seen)


def governor(root: Path = Path("/")) -> Iterator[Check]:
    """Check the frequency governors of the CPUs."""
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    found = sorted({file.read_text().strip() for file in files})
    if not found:
        yield Check("governor", "ok", "none to be seen (a virtual machine, or the firmware decides)")
    elif found == ["performance"]:
        yield Check("governor", "ok", "performance")
    else:
        advice = "CPU latencies follow the clock: cpupower frequency-set -g performance"
        yield Check("governor", "warning", ", ".join(found), advice)


def load() -> Iterator[Check]:
    """Check whether the CPUs have other work to do."""
    busy, cores = os.getloadavg()[0], os.cpu_count() or 1
    seen = f"load average {busy:.2f} on {cores} CPUs over the last minute"
    if busy > BUSY_FRACTION * cores:
        yield Check("load", "warning", seen, "what else runs here disturbs every latency: see `top`")
    else:
        yield Check("load", "ok", seen)


def other_runs(lock: Path | None = None, root: Path = Path("/")) -> Iterator[Check]:
    """Check whether another measurement holds this host: a benchmark job would wait for it."""
    try:
        lock = lock or measuring_lock()
        inode = lock.lstat().st_ino
        os.close(open_lock(lock))
    except LockError as error:
        yield Check("other runs", "problem", str(error), "every measurement on this host needs it")
        return
    except OSError:
        yield Check("other runs", "ok", "none on this host")
        return
    locks = (root / "proc/locks").read_text().splitlines()
    if any(line.split()[1] == "FLOCK" and line.split()[5].rpartition(":")[2] == str(inode) for line in locks):
        yield Check("other runs", "warning", f"{holder_of(lock)} measures", "a benchmark job will wait until it ends")
    else:
        yield Check("other runs", "ok", "none on this host")
