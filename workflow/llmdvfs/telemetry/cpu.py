"""Utilisation, clock and memory of the host, from /proc and /sys."""

import platform
from pathlib import Path

from llmdvfs.records.device_id import CPU
from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample

KIB = 1024
KHZ_PER_MHZ = 1000


class CpuProbe:
    """Utilisation, clock and memory of all CPUs of the host together.

    Its cadence is `slow`: reading its files takes a millisecond on a machine of a hundred cores.
    """

    cadence: Cadence = "slow"

    def __init__(self, root: Path = Path("/")) -> None:
        """Read below `root`, which holds proc/ and sys/."""
        self._proc = root / "proc"
        self._frequency_files = sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*/scaling_cur_freq"))
        self._ticks = self._read_ticks()
        cpuinfo = _cpuinfo(self._proc)
        self.device = TelemetryDevice(
            device_id=CPU,
            kind="cpu",
            name=next(iter(cpuinfo.get("model name", [])), platform.machine()),
            details={
                "num_cpus": len(cpuinfo.get("processor", [])),
                "memory_total_bytes": self._memory()["MemTotal"],
            },
            energy_source="none",
        )

    def read(self) -> Sample:
        """Return the host's state; utilisation is a mean over the time since the read before."""
        values: dict[str, float | None] = {}
        errors: dict[str, str] = {}
        for quantity, read in (
            ("cpu_utilisation_fraction", self._utilisation),
            ("cpu_clock_mhz", self._clock_mhz),
            ("host_memory_used_bytes", self._memory_used_bytes),
        ):
            try:
                values[quantity] = read()
            except (OSError, ValueError, KeyError) as error:
                values[quantity] = None
                errors[quantity] = f"{type(error).__name__}: {error}"
        return Sample(values, errors)

    def _utilisation(self) -> float:
        before, self._ticks = self._ticks, self._read_ticks()
        total, idle = (now - then for now, then in zip(self._ticks, before, strict=True))
        if total <= 0:
            raise ValueError("no clock tick (10 ms) since the reading before")
        return 1 - idle / total

    def _read_ticks(self) -> tuple[int, int]:
        # user nice system idle iowait irq softirq steal; guest time is already part of user time
        ticks = [int(word) for word in (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(ticks), ticks[3] + ticks[4]

    def _clock_mhz(self) -> float:
        if self._frequency_files:
            clocks_mhz = [int(file.read_text()) / KHZ_PER_MHZ for file in self._frequency_files]
        else:
            clocks_mhz = [float(value) for value in _cpuinfo(self._proc).get("cpu MHz", [])]
        if not clocks_mhz:
            raise ValueError("neither cpufreq nor /proc/cpuinfo tells a clock")
        return sum(clocks_mhz) / len(clocks_mhz)

    def _memory(self) -> dict[str, int]:
        lines = (line.split() for line in (self._proc / "meminfo").read_text().splitlines())
        return {words[0].rstrip(":"): int(words[1]) * KIB for words in lines}

    def _memory_used_bytes(self) -> float:
        memory = self._memory()
        return memory["MemTotal"] - memory["MemAvailable"]


def _cpuinfo(proc: Path) -> dict[str, list[str]]:
    """Return key -> its value for every CPU."""
    values: dict[str, list[str]] = {}
    for line in (proc / "cpuinfo").read_text().splitlines():
        key, colon, value = line.partition(":")
        if colon:
            values.setdefault(key.strip(), []).append(value.strip())
    return values
