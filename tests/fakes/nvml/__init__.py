"""Fake GPUs behind a real libnvidia-ml.so.1, whose true power and energy a test may ask for.

The library is compiled from the C files beside this one; the real `pynvml` runs against it, in this process
(`FakeNvml.activate`) and in its children (`FakeNvml.environment`), which all see the same state, a mapped file.

What is simulated, with an H200's figures unless changed: every sensor updates at its own period and shows the mean over
its own window; the energy counter moves in steps; clocks follow load, locks (15 MHz grid) and the power limit after a
settling time; P(f) = idle + (demand - idle) * (f / f_max)^2.4. That law is no model of any real GPU.

    library = FakeNvml.build(tmp_path)
    fake = FakeNvml(tmp_path / "gpus", num_gpus=2, library=library, start_ns=0)   # virtual time from 0
    fake.set_power_trace(0, [0, 1_000_000_000], [690.0, 400.0])
    fake.poll(0, "energy", times_ns)              # what polling at those instants would have seen, in bulk
    fake.true_energy_j(0, 0, 2_000_000_000)       # 1090.0
"""

import ctypes
import os
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

SensorName = Literal[
    "power_instant", "power_average", "energy", "sm_clock", "utilisation", "temperature", "power_sample", "gpm"
]
CallName = Literal[
    "init", "identity", "memory", "power_usage", "energy", "fields", "clock", "utilisation", "temperature",
    "event_reasons", "power_limit", "performance_state", "processes", "topology", "mig", "set_clocks",
    "set_power_limit", "lock_sm", "reset_sm", "lock_memory", "reset_memory", "samples", "gpm",
]  # fmt: skip
ROOT_VARIABLE = "FAKE_NVML_ROOT"
NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED = 3, 4, 9
NS_PER_S = 1_000_000_000
H200_COUNTER_COST_S, H200_CALL_COST_S = 3.2e-3, 2e-6  # medians measured on one


class _Sensor(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("period_ns", "window_ns", "phase_ns", "jitter_ns")]


class FakeNvml:
    """A set of fake GPUs. Instants are CLOCK_MONOTONIC [ns], or virtual [ns] when made with `start_ns`."""

    @staticmethod
    def build(folder: Path) -> Path:
        """Compile the library into `folder` and return its path (about 1 s; do it once a session)."""
        library = folder / "libnvidia-ml.so.1"
        sources = sorted(Path(__file__).parent.glob("*.c"))
        flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
        command = ["cc", *flags, "-Wl,-soname,libnvidia-ml.so.1", "-o", library, *sources, "-lm", "-lpthread"]
        subprocess.run(command, check=True)
        return library

    def __init__(
        self,
        state_path: Path,
        num_gpus: int,
        *,
        library: Path,
        start_ns: int | None = None,
        counter_start_j: float = 1000.0,
    ) -> None:
        """Make idle GPUs, whose energy counter shows about `counter_start_j`.

        start_ns: virtual time begins there; None: the GPUs live in real time.
        """
        self.library_path, self.state_path, self.num_gpus = library, state_path, num_gpus
        # RTLD_GLOBAL: pynvml's own dlopen finds this library by its SONAME, and needs no environment variable.
        self._library = ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        self._library.fake_create.restype = ctypes.c_void_p
        self._library.fake_true_energy.restype = ctypes.c_double
        start = ctypes.c_int64(-1 if start_ns is None else start_ns)
        state = self._library.fake_create(str(state_path).encode(), num_gpus, start, ctypes.c_double(counter_start_j))
        if not state:
            raise OSError(f"cannot make the fake GPUs' state file {state_path}")
        self._state = ctypes.c_void_p(state)

    def close(self) -> None:
        """Forget the GPUs: in this process there is no driver any more."""
        self._library.fake_close(self._state)

    def activate(self) -> None:
        """Let NVML in this process see these GPUs."""
        self._library.fake_use(self._state)

    def deactivate(self) -> None:
        """Let NVML in this process say DRIVER_NOT_LOADED."""
        self._library.fake_use(None)

    def environment(self) -> dict[str, str]:
        """Return the variables with which a child process sees these GPUs."""
        return {"LD_LIBRARY_PATH": str(self.library_path.parent), "LLMDVFS_FAKE_NVML": str(self.state_path)}

    # ---- truth

    def set_power_trace(self, gpu: int, t_ns: ArrayLike, power_w: ArrayLike) -> None:
        """Replace the power demanded at full clock: `power_w[i]` from `t_ns[i]` on, the last one for ever; idle before.

        At most 32768 points. True power equals demand while no lock and no power limit (700 W) holds the clock down.
        """
        instants = np.ascontiguousarray(t_ns, dtype=np.int64)
        powers = np.ascontiguousarray(power_w, dtype=np.float64)
        if instants.shape != powers.shape or (np.diff(instants) <= 0).any():
            raise ValueError("a power trace needs as many powers as instants, and instants in rising order")
        self._check(self._library.fake_set_trace(self._state, gpu, len(instants), _pointer(instants), _pointer(powers)))

    def set_power(self, gpu: int, power_w: float) -> None:
        """Add a point to the trace: this much is demanded from now on."""
        self._check(self._library.fake_set_power(self._state, gpu, ctypes.c_double(power_w)))

    def true_energy_j(self, gpu: int, begin_ns: int, end_ns: int) -> float:
        """Return the energy really used in [begin, end], exactly, whatever the sensors show."""
        energy_j: float = self._library.fake_true_energy(
            self._state, gpu, ctypes.c_int64(begin_ns), ctypes.c_int64(end_ns)
        )
        return energy_j

    def poll(self, gpu: int, sensor: SensorName, t_ns: ArrayLike) -> NDArray[np.float64]:
        """Return what the sensor shows at each instant, in SI units; a million polls take about 0.1 s.

        The energy is in joules, not rounded to NVML's millijoules, and starts near `counter_start_j`.
        """
        instants = np.ascontiguousarray(t_ns, dtype=np.int64)
        values = np.empty(len(instants), dtype=np.float64)
        name = sensor.encode()
        self._check(
            self._library.fake_poll(self._state, gpu, name, len(instants), _pointer(instants), _pointer(values))
        )
        return values

    # ---- time

    def set_virtual_time(self, t_ns: int) -> None:
        """Stop the clock at `t_ns`; calls cost no time."""
        self._library.fake_set_time(self._state, 1, ctypes.c_int64(t_ns))

    def advance(self, dt_ns: int) -> None:
        """Move the stopped clock on."""
        self.set_virtual_time(self.now_ns() + dt_ns)

    def use_real_time(self) -> None:
        """Follow CLOCK_MONOTONIC."""
        self._library.fake_set_time(self._state, 0, ctypes.c_int64(0))

    def now_ns(self) -> int:
        """Return the instant that the GPUs live in."""
        self._library.fake_now.restype = ctypes.c_int64
        now_ns: int = self._library.fake_now(self._state)
        return now_ns

    # ---- the instrument

    def set_sensor(
        self,
        gpu: int,
        sensor: SensorName,
        *,
        period_s: float,
        window_s: float,
        phase_s: float = 0.0,
        jitter_s: float = 0.0,
    ) -> None:
        """Let a sensor update every `period_s` (+- `jitter_s`), first at `phase_s`, averaging over `window_s`.

        Window 0 is the value at the update itself; for "energy" it is the whole truth, and a window shorter than the
        period is a counter that looks at that part of each period only. `jitter_s` must be below half of the period.
        """
        numbers = (round(value * NS_PER_S) for value in (period_s, window_s, phase_s, jitter_s))
        self._check(self._library.fake_set_sensor(self._state, gpu, sensor.encode(), ctypes.byref(_Sensor(*numbers))))

    def set_call_cost(self, cost_s: float, calls: Iterable[CallName], *, burn: bool = False) -> None:
        """Let the calls take so long in real time: asleep, as when the driver waits for the GPU, or computing."""
        for call in calls:
            cost = ctypes.c_int64(round(cost_s * NS_PER_S))
            self._check(self._library.fake_set_cost(self._state, call.encode(), cost, int(burn)))

    def set_property(self, gpu: int, name: str, value: float) -> None:
        """Change a figure of a GPU (PROPERTIES in state.h): idle_w, settling_s, lock_ceiling_mhz, mig, nvlinks ..."""
        self._check(self._library.fake_set_property(self._state, gpu, name.encode(), ctypes.c_double(value)))

    def set_field(self, gpu: int, field_id: int, value: int = 0, *, error: int = 0) -> None:
        """Fix the value, or the NVML error, of one field of nvmlDeviceGetFieldValues."""
        self._check(self._library.fake_set_field(self._state, gpu, field_id, ctypes.c_uint64(value), error))

    def set_processes(self, gpu: int, memory_bytes_of: dict[int, int]) -> None:
        """Let these process ids compute on a GPU."""
        pids = (ctypes.c_uint32 * len(memory_bytes_of))(*memory_bytes_of)
        sizes = (ctypes.c_uint64 * len(memory_bytes_of))(*memory_bytes_of.values())
        self._check(self._library.fake_set_processes(self._state, gpu, len(memory_bytes_of), pids, sizes))

    # ---- mishaps

    def deny(
        self, gpu: int, calls: Sequence[CallName], error: int = NO_PERMISSION, *, times: int = 0, after: int = 0
    ) -> None:
        """Let the calls fail with an NVML error (0: work again), so many times and then work again; 0: for ever.

        after: they work so often before that.
        """
        for call in calls:
            self._check(self._library.fake_set_error(self._state, gpu, call.encode(), error, times, after))

    @contextmanager
    def as_root(self) -> Iterator[None]:
        """Let this process do inside the block what is denied for a missing right, as a daemon of root may."""
        os.environ[ROOT_VARIABLE] = "1"
        try:
            yield
        finally:
            del os.environ[ROOT_VARIABLE]

    def setting(self, gpu: int) -> tuple[float, float, float]:
        """Return what holds a GPU, whatever its load: lock of the core clock [MHz], of the memory clock, limit [W].

        0 and 3201: nobody has locked them.
        """
        values = (ctypes.c_double * 3)()
        self._library.fake_setting(self._state, gpu, values)
        return values[0], values[1], values[2]

    def lose_gpu(self, gpu: int) -> None:
        """Every call on the GPU says GPU_IS_LOST from now on."""
        self._library.fake_lose(self._state, gpu, 1)

    def find_gpu(self, gpu: int) -> None:
        """A lost GPU is back after the driver has been loaded again."""
        self._library.fake_lose(self._state, gpu, 0)
        self.reload_driver()

    def reload_driver(self) -> None:
        """Energy counters restart at 0; locks and limits are gone."""
        self._library.fake_reload_driver(self._state)

    def _check(self, failed: int) -> None:
        if failed:
            raise ValueError("the fake GPUs refuse: an unknown name, or more points, changes or fields than fit")


def _pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
