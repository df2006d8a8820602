"""Rights of this process, as the kernel lists them: nothing is tried, and no driver is asked."""

import os
from pathlib import Path

OBSERVE_VARIABLE = "LLMDVFS_OBSERVE"
"""Set to anything but 0, it forbids every change of clocks and limits, whatever this process has the right to do."""
ZEUSD_VARIABLE = "ZEUSD_SOCK_PATH"  # Zeus's own
ZEUSD_SOCKET = Path("/run/zeusd/zeusd.sock")

SYS_ADMIN, SYS_NICE = 21, 23  # linux/capability.h


def has_capability(number: int, root: Path = Path("/")) -> bool:
    """Return whether this process has an effective Linux capability, by number (capability.h).

    A driver or a container may refuse all the same. root: holds proc/.
    """
    return bool((_effective(root) or 0) >> number & 1)


def only_observes() -> bool:
    """Return whether LLMDVFS_OBSERVE forbids every change of a GPU, as on a machine that is borrowed or shared."""
    return os.environ.get(OBSERVE_VARIABLE, "") not in ("", "0")


def may_set_clocks(root: Path = Path("/")) -> bool | None:
    """Return whether this process may have the right to set clocks: CAP_SYS_ADMIN, or a zeusd socket to write to.

    True: driver or daemon may still refuse. False where LLMDVFS_OBSERVE forbids it. None: the kernel does not tell. It
    reads one small file, so that it can be asked while a study is planned, on machines without a driver too; for that
    reason sudo is not asked.
    """
    if only_observes():
        return False
    if may_ask_zeusd():
        return True
    effective = _effective(root)
    return None if effective is None else bool(effective >> SYS_ADMIN & 1)


def zeusd_socket() -> Path:
    """Return the path at which zeusd, the daemon that sets clocks for others, would listen."""
    return Path(os.environ.get(ZEUSD_VARIABLE) or ZEUSD_SOCKET)


def may_ask_zeusd() -> bool:
    """Return whether there is a socket of zeusd that this user may write to."""
    path = zeusd_socket()
    return os.access(path, os.W_OK) and path.is_socket()


def _effective(root: Path) -> int | None:
    """Return the set of effective capabilities as bits; None where the kernel does not tell."""
    try:
        lines = (root / "proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), None)
