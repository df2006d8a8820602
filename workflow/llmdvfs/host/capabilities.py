"""Rights of this process, as the kernel lists them; nothing is tried, and no driver is asked."""

from pathlib import Path

SYS_ADMIN, SYS_NICE = 21, 23  # linux/capability.h


def has_capability(number: int, root: Path = Path("/")) -> bool:
    """Return whether this process has an effective capability; a driver or a container may refuse all the same."""
    return bool((_effective(root) or 0) >> number & 1)


def may_set_clocks(root: Path = Path("/")) -> bool | None:
    """Return whether the kernel gives this process the right that NVIDIA's driver asks for before it sets a clock.

    That is CAP_SYS_ADMIN. True: a driver may still refuse, in a user namespace for instance. None: the kernel does not
    tell. It reads one small file, so that it can be asked while a study is planned, on machines without a driver too.
    """
    effective = _effective(root)
    return None if effective is None else bool(effective >> SYS_ADMIN & 1)


def _effective(root: Path) -> int | None:
    """Return the set of effective capabilities as bits; None where the kernel does not tell."""
    try:
        lines = (root / "proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), None)
