"""What the network devices of this host can carry, as its kernel tells."""

from collections.abc import Sequence
from pathlib import Path

from llmdvfs.records.host import NetworkPath

SYSFS = Path("/sys/class")
BYTES_PER_MBIT = 1e6 / 8
BYTES_PER_GBIT = 1e9 / 8


def network_path(devices: Sequence[str], sysfs: Path = SYSFS) -> NetworkPath:
    """Return the devices with their rates added up: ports as UCX and NCCL name them (`mlx5_0:1`), or interfaces."""
    rates = [_port_rate(device, sysfs) or _interface_rate(device, sysfs) for device in devices]
    told = [rate for rate in rates if rate is not None]
    return NetworkPath(tuple(devices), sum(told) if told and len(told) == len(rates) else None)


def _port_rate(device: str, sysfs: Path) -> float | None:
    """Return the bytes/s of `NAME` or `NAME:PORT`, whose file says `400 Gb/sec (4X NDR)`."""
    name, _, port = device.partition(":")
    try:
        words = (sysfs / "infiniband" / name / "ports" / (port or "1") / "rate").read_text(encoding="ascii").split()
        return float(words[0]) * BYTES_PER_GBIT if words[1:2] == ["Gb/sec"] else None
    except (OSError, ValueError, IndexError):
        return None


def _interface_rate(device: str, sysfs: Path) -> float | None:
    """Return the bytes/s of an interface, whose file says megabits, -1 where it has none (a virtual one), or fails."""
    try:
        mbit = int((sysfs / "net" / device / "speed").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return mbit * BYTES_PER_MBIT if mbit > 0 else None
