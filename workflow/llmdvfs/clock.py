"""The one time axis: integer nanoseconds of CLOCK_MONOTONIC, shared by all processes of one host."""

import time

NS_PER_S = 1_000_000_000


def mono_ns() -> int:
    """Return the current instant of CLOCK_MONOTONIC [ns]."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wall_ns() -> int:
    """Return the current instant of the wall clock [ns since 1970], to place stamps that others took of it."""
    return time.time_ns()


def unix_s() -> float:
    """Return the wall time [s since 1970], for humans only: it may jump."""
    return time.time()
