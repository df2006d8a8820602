import os
from collections.abc import Callable
from pathlib import Path

from fakes.nvml import FakeNvml

from llmdvfs.telemetry.nvml import num_gpus
from llmdvfs.telemetry.processes import GpuProcess, gpu_processes

NOBODY = 4_194_305  # above the kernel's highest process id


def test_foreign_processes_with_their_memory(make_gpus: Callable[..., FakeNvml]) -> None:
    fake = make_gpus(num_gpus=2)
    fake.set_processes(1, {os.getpid(): 10, NOBODY: 2_000})
    num_gpus()
    name = Path("/proc/self/comm").read_text().strip()
    assert gpu_processes(0) == ()
    assert gpu_processes(1) == (GpuProcess(os.getpid(), name, 10), GpuProcess(NOBODY, None, 2_000))
    assert gpu_processes(1, own_pids={os.getpid()}) == (GpuProcess(NOBODY, None, 2_000),)
