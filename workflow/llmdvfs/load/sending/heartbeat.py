"""Notices when the client itself stood still: what it could not read then would look like a slow server."""

from time import CLOCK_BOOTTIME, clock_gettime_ns, monotonic_ns

from llmdvfs.clock import NS_PER_S

MIN_STANDSTILL_NS = 100_000_000  # far above what a busy core makes a loop wait, 3 to 6 ms (undisturbed.py)


class Heartbeat:
    """Compares when the client's loop was to wake with when it did.

    The loop has a timer that runs anyway, several times a second. One that is late says that the process was stopped
    (Ctrl-Z, a debugger), had no core, waited for a disk, or that the whole virtual machine was paused. A host that was
    suspended shows in CLOCK_BOOTTIME alone: CLOCK_MONOTONIC does not count that time.
    """

    def __init__(self) -> None:
        self._due_mono_ns: int | None = None
        self._asleep_ns_at_begin = _asleep_ns()
        self.standstills: list[tuple[int, int]] = []
        """(the instant at which it was to wake, the one at which it did) [mono ns], of those that were late."""

    def expect(self, wait_s: float) -> None:
        """Note that the event loop is to wake up in so many seconds."""
        self._due_mono_ns = monotonic_ns() + round(wait_s * NS_PER_S)

    def beat(self) -> None:
        """Note that the event loop has woken up, or that the load is over."""
        now = monotonic_ns()
        if self._due_mono_ns is not None and now - self._due_mono_ns > MIN_STANDSTILL_NS:
            self.standstills.append((self._due_mono_ns, now))
        self._due_mono_ns = None

    def suspended_s(self) -> float:
        """Return for how long the host has slept since this object was made [s]."""
        return max(0, _asleep_ns() - self._asleep_ns_at_begin) / NS_PER_S


def _asleep_ns() -> int:
    """Return for how long the host has slept since it was booted, to the microsecond between two readings."""
    before = monotonic_ns()
    boot = clock_gettime_ns(CLOCK_BOOTTIME)
    return boot - (before + monotonic_ns()) // 2
