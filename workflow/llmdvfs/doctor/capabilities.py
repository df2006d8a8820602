"""Rights of this process, as the kernel lists them; nothing is tried."""

from pathlib import Path

SYS_ADMIN, SYS_NICE = 21, 23  # linux/capability.h


def has_capability(number: int, root: Path = Path("/")) -> bool:
    """Return whether this process has an effective capability; a driver or a container may refuse all the same."""
    for line in (root / "proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
