"""Tells, while a window goes on, how well its energy per token is known, so that it can end once that is enough.

Power over the rate of reads is the energy of a read, which is a token of each stream or a burst of them. It is taken
over blocks of a second; on logarithms, as everywhere (docs/metrics.md#under-load).
"""

import math

import numpy as np

from llmdvfs.benchmark.sweep.live import Live
from llmdvfs.benchmark.sweep.settling import power_sensors
from llmdvfs.clock import NS_PER_S

BLOCK_NS = NS_PER_S  # several readings of any power sensor, and steps of any engine
MIN_BLOCKS = 6  # an interval of fewer is a matter of luck; longer than the shortest window that a gate lets pass
CONFIDENCE = 0.95


class Precision:
    """Collects the blocks of a window, and knows the interval of their mean."""

    def __init__(self, begin_mono_ns: int) -> None:
        self._end_mono_ns = begin_mono_ns
        self._logs: list[float | None] = []

    def take(self, live: Live) -> None:
        """Add the blocks that client and sampler have told of to their end since the last call."""
        while live.covers(self._end_mono_ns + BLOCK_NS):
            begin, self._end_mono_ns = self._end_mono_ns, self._end_mono_ns + BLOCK_NS
            self._logs.append(_log_energy(live, begin, self._end_mono_ns))

    @property
    def half_width(self) -> float | None:
        """Return half the 95 % interval of the mean energy of a read, as a fraction of it.

        None with fewer than six blocks, or where one of them has no power or no read: then it is not known.
        """
        logs = [log for log in self._logs if log is not None]
        if len(self._logs) < MIN_BLOCKS or len(logs) < len(self._logs):
            return None
        from scipy.special import stdtrit  # here, since every benchmark job imports this file; not the slow scipy.stats

        quantile = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2))
        return math.expm1(quantile * float(np.std(logs, ddof=1)) / math.sqrt(len(logs)))


def _log_energy(live: Live, begin_mono_ns: int, end_mono_ns: int) -> float | None:
    """Return ln of power over rate of reads in a span; None where a device told no power, or nothing was read."""
    powers = [live.values(sensor, begin_mono_ns, end_mono_ns) for sensor in power_sensors(live)]
    rates = live.read_rates_per_s(begin_mono_ns, end_mono_ns, 1)
    if not powers or any(not values.size for values in powers) or rates is None or rates[0] <= 0:
        return None
    power_w = sum(float(np.mean(values)) for values in powers)
    return math.log(power_w / float(rates[0])) if power_w > 0 else None
