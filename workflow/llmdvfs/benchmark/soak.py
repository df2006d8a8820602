"""Warms the GPUs up with a cell's own load until their temperatures are steady: a cold GPU leaks less current."""

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from llmdvfs.benchmark.client import LoadClient, load_client
from llmdvfs.benchmark.task import CellTask
from llmdvfs.clock import NS_PER_S, mono_ns
from llmdvfs.records.run import SoakRecord
from llmdvfs.serving.deployment import Deployment
from llmdvfs.telemetry.nvml import NvmlGpu, num_gpus, or_none

LOOK_INTERVAL_S = 1.0
STRETCH_S = 30.0  # that the slope is taken from: sensors tell whole degrees
MAX_SLOPE_C_PER_MIN = 1.0  # a window of five minutes then stays within the gate's five degrees
LIMIT_S = 300.0  # heat sinks settle with some 15 to 60 s

Temperatures = tuple[float, ...]


def soak(task: CellTask, deployment: Deployment, folder: Path) -> SoakRecord | None:
    """Load the deployment as the cell will until its GPUs' temperatures are steady; return what that took.

    None where the configuration does not ask for it, or where no GPU tells its temperature. The load is thrown away.
    """
    if task.job.settings.soak is None or not deployment.gpu_indices:
        return None
    num_gpus()
    gpus = [NvmlGpu(index) for index in deployment.gpu_indices]
    told = [gpu for gpu in gpus if or_none(gpu.temperature_c) is not None]
    if not told:
        return None
    own = folder / "soak"
    try:
        with ExitStack() as stack:
            load = _RepeatedLoad(task, deployment, own, stack)
            return until_steady(lambda: tuple(gpu.temperature_c() for gpu in told), load.keep)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def until_steady(
    read: Callable[[], Temperatures],
    keep_loaded: Callable[[], None],
    clock: Callable[[], int] = mono_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> SoakRecord:
    """Look at temperatures every second until none moves by more than MAX_SLOPE_C_PER_MIN, for LIMIT_S at most.

    read: returns the temperatures. keep_loaded: called at every look. clock, sleep: those of the system but in tests.
    """
    begin_ns = clock()
    looks: list[tuple[float, Temperatures]] = []
    while True:
        keep_loaded()
        now_s = (clock() - begin_ns) / NS_PER_S
        looks.append((now_s, read()))
        slope = largest_slope_c_per_min(looks)
        is_steady = slope is not None and slope <= MAX_SLOPE_C_PER_MIN
        if is_steady or now_s >= LIMIT_S:
            return SoakRecord(now_s, is_steady, slope, max(looks[-1][1]))
        sleep(LOOK_INTERVAL_S)


def largest_slope_c_per_min(looks: Sequence[tuple[float, Temperatures]]) -> float | None:
    """Return the steepest straight line through any GPU's last STRETCH_S, up or down.

    looks: (instant [s], temperatures) in order. None before so much time has passed.
    """
    last_s = looks[-1][0]
    if last_s - looks[0][0] < STRETCH_S:
        return None
    recent = [look for look in looks if look[0] >= last_s - STRETCH_S]
    t_s = np.array([t for t, _ in recent])
    slopes = np.polyfit(t_s - t_s[0], np.array([temperatures for _, temperatures in recent]), 1)[0]
    return float(np.abs(slopes).max() * 60)


class _RepeatedLoad:
    """Runs the cell's load again and again, each time in a folder of its own."""

    def __init__(self, task: CellTask, deployment: Deployment, folder: Path, stack: ExitStack) -> None:
        self._task, self._deployment, self._folder, self._stack = task, deployment, folder, stack
        self._num_runs = 0
        self._client = self._start()

    def keep(self) -> None:
        """Start the load again where it has ended; DataError where it failed."""
        if self._client.has_ended():
            self._client.check_ended_well()
            self._client = self._start()

    def _start(self) -> LoadClient:
        self._num_runs += 1
        own = self._folder / str(self._num_runs)
        own.mkdir(parents=True)
        return self._stack.enter_context(load_client(self._task.load_spec(self._deployment, own)))
