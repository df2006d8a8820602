"""Clocks of this host: the one time axis of all records is CLOCK_MONOTONIC, in integer nanoseconds."""

import time

NS_PER_S = 1_000_000_000


def mono_ns() -> int:
    """Return the current instant of CLOCK_MONOTONIC [ns]."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def wall_ns() -> int:
    """Return the current instant of the wall clock [ns since 1970], to compare with stamps that others take of it."""
    return time.time_ns()


def unix_s() -> float:
    """Return the wall time [s since 1970], for humans only: it may jump."""
    return time.time()
