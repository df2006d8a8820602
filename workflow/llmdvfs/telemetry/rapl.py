"""Energy of CPU packages and their memory, from the counters of RAPL."""

from pathlib import Path

from llmdvfs.records.telemetry import TelemetryDevice
from llmdvfs.telemetry.device import Cadence, Sample

POWERCAP = Path("/sys/class/powercap")
UJ_PER_J = 1_000_000


class RaplProbe:
    """The energy counter of one RAPL domain, followed over its wrap-arounds (one a minute at full power)."""

    cadence: Cadence = "state"

    def __init__(self, folder: Path, device_id: str) -> None:
        """Read one domain's folder; OSError where it cannot be read (root only, since 2020)."""
        self._file = folder / "energy_uj"
        self._range_uj = int((folder / "max_energy_range_uj").read_text())
        self._last_uj = int(self._file.read_text())
        self._wrapped_uj = 0
        self.device = TelemetryDevice(
            device_id=device_id,
            kind="rapl",
            name=(folder / "name").read_text().strip(),
            details={"max_energy_range_j": self._range_uj / UJ_PER_J},
            energy_source="rapl",
        )

    def read(self) -> Sample:
        """Read the counter: joules since boot, wrap-arounds before the first read not counted."""
        try:
            now_uj = int(self._file.read_text())
        except (OSError, ValueError) as error:
            return Sample({"energy_j": None}, {"energy_j": f"{type(error).__name__}: {error}"})
        if now_uj < self._last_uj:
            self._wrapped_uj += self._range_uj
        self._last_uj = now_uj
        return Sample({"energy_j": (self._wrapped_uj + now_uj) / UJ_PER_J})


def rapl_probes(root: Path = POWERCAP) -> tuple[list[RaplProbe], str | None]:
    """Return a probe for every CPU package and its DRAM, or none and the reason.

    Cores and uncore are parts of their package, and psys is more than the CPU: adding them would count energy twice.
    """
    probes: list[RaplProbe] = []
    for package in sorted(root.glob("intel-rapl:?*")):  # AMD's packages appear under this name too
        name = _name(package)
        if package.name.count(":") != 1 or not name.startswith("package-"):
            continue
        number = name.removeprefix("package-")
        domains = [(package, f"rapl-package-{number}")]
        parts = sorted(package.glob(f"{package.name}:*")) or sorted(root.glob(f"{package.name}:*"))
        domains += [(part, f"rapl-dram-{number}") for part in parts if _name(part) == "dram"]
        try:
            probes += [RaplProbe(folder, device_id) for folder, device_id in domains]
        except OSError as error:
            return [], f"RAPL is there but cannot be read ({error}); it needs root"
    return probes, None if probes else f"no RAPL domain below {root}"


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return ""  # not a domain
