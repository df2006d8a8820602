"""How wrong a host's wall clock may be, as its own time service says: chrony, else the kernel's bound.

chronyd says whom it follows and what the clock is off by at most: the remaining offset, the root dispersion and half
the root delay (chronyc(1), `tracking`). PTP is told where chronyd takes it as a reference clock (PHC); phc2sys by
itself tells no bound, and leaves the kernel's unset. The kernel's is what any service has set by adjtimex(2), and grows
by 500 ppm until it is set anew.
"""

import ctypes
import shutil
import subprocess

from llmdvfs.records.hosts import WallClock

LIMIT_S = 2.0
NUM_FIELDS = 14
"""Of `chronyc -c tracking`: reference id, name, stratum, time, offset, last and RMS offset, frequency, its residual and
skew, root delay, root dispersion, interval, leap status. Times in seconds."""
UNSYNCHRONISED = "Not synchronised"
STA_UNSYNC, TIME_ERROR = 0x40, 5
US_PER_S = 1e6


class _Timex(ctypes.Structure):
    """The beginning of adjtimex's structure; `rest` is more than it has after that."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror_us", ctypes.c_long),
        ("esterror_us", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def wall_clock() -> WallClock | None:
    """Return what this host's time service says; None where there is none, or the clock is not synchronised."""
    return _by_chrony() or _by_the_kernel()


def parsed(text: str) -> WallClock | None:
    """Return what `chronyc -c tracking` said; None where chronyd follows nobody, or said something else."""
    words = text.strip().split(",")
    if len(words) != NUM_FIELDS or words[-1] == UNSYNCHRONISED:
        return None
    try:
        offset_s, delay_s, dispersion_s = float(words[4]), float(words[10]), float(words[11])
    except ValueError:
        return None
    return WallClock("chrony", words[1] or words[0], abs(offset_s) + dispersion_s + delay_s / 2)


def _by_chrony() -> WallClock | None:
    tool = shutil.which("chronyc")
    if tool is None:
        return None
    try:
        done = subprocess.run(
            [tool, "-c", "-n", "tracking"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # it is installed and does not run
    return parsed(done.stdout) if done.returncode == 0 else None


def _by_the_kernel() -> WallClock | None:
    told = _Timex(modes=0)  # nothing is adjusted
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
    if state < 0 or state == TIME_ERROR or told.status & STA_UNSYNC:
        return None
    return WallClock("kernel", "not told", told.maxerror_us / US_PER_S)
