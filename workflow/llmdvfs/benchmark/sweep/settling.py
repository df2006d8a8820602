"""Judges from a load's own data whether it has settled at a new operating point (docs/metrics.md#under-load)."""

import math
from dataclasses import dataclass

import numpy as np

from llmdvfs.benchmark.sweep.live import Floats, Live, Sensor
from llmdvfs.clock import NS_PER_S

SPAN_S = 2.0  # over which power, clock and rate have to be level: 20 readings, several windows of any power sensor
TOLERANCE_FRACTION = 0.02  # a second half that differs by less from the first is level, however little noise there is
NUM_ERRORS = 2.0  # ... as is one that differs by less than this many standard errors
NUM_BINS = 10  # bins in which the rate of reads is compared
MIN_READS = 20  # reads in the span; a slower load is judged over all the time since the entry
MAX_SETTLE_S = 60.0
POWERS = ("power_instant_w", "power_average_w")


@dataclass(frozen=True, slots=True)
class Settled:
    """What was seen over a span that ends now."""

    is_level: bool
    """Whether all that was looked at was level."""
    span_mono_ns: tuple[int, int]
    seen: str
    """The same in words, with numbers."""


def look(live: Live, entered_mono_ns: int, now_mono_ns: int) -> Settled:
    """Return whether power, core clock and rate are level, with no load left from before the point was entered.

    live: up to date. No load is left once every request that was scheduled at the point before has ended.
    """
    begin = max(entered_mono_ns, now_mono_ns - round(SPAN_S * NS_PER_S))
    span = (begin, now_mono_ns)
    progress = live.progress
    if progress is None:
        return Settled(False, span, "the load has not begun")
    if progress.oldest_mono_ns is not None and progress.oldest_mono_ns < entered_mono_ns:
        return Settled(False, span, "requests of the point before are still in flight")
    if now_mono_ns - entered_mono_ns < SPAN_S * NS_PER_S:
        return Settled(False, span, f"entered less than {SPAN_S:g} s ago")
    seen = [("reads/s", _rates(live, entered_mono_ns, min(now_mono_ns, progress.at_mono_ns)))]
    seen += [(f"{sensor.device_id} {unit}", live.values(sensor, *span)) for sensor, unit in _watched(live)]
    told = [f"{name} {_in_words(values)}" for name, values in seen]
    return Settled(all(is_level(values) for _, values in seen), span, "; ".join(told))


def is_level(values: Floats) -> bool:
    """Return whether both halves of a series have the same mean, to 2 % or two standard errors of the difference.

    False below four values, and where nothing but zeros was seen.
    """
    first, second = _halves(values)
    if min(first.size, second.size) < 2 or not values.any():
        return False
    difference = abs(float(second.mean()) - float(first.mean()))
    error = math.sqrt(float(first.var(ddof=1)) / first.size + float(second.var(ddof=1)) / second.size)
    return difference <= max(TOLERANCE_FRACTION * abs(float(values.mean())), NUM_ERRORS * error)


def power_sensors(live: Live) -> list[Sensor]:
    """Return the power of each device that tells one; of two the instant one."""
    powers = {sensor.device_id: sensor for name in reversed(POWERS) for sensor in live.sensors((name,))}
    return list(powers.values())


def _watched(live: Live) -> list[tuple[Sensor, str]]:
    """Return power and core clock of each device that tells them, with their units."""
    clocks = live.sensors(("sm_clock_mhz",))
    return [(sensor, "W") for sensor in power_sensors(live)] + [(sensor, "MHz") for sensor in clocks]


def _rates(live: Live, entered_mono_ns: int, end_mono_ns: int) -> Floats:
    """Return the rate of reads in bins of the last span, or of all the time at the point where that holds too few."""
    begin = max(entered_mono_ns, end_mono_ns - round(SPAN_S * NS_PER_S))
    for start in (begin, entered_mono_ns):
        rates = live.read_rates_per_s(start, end_mono_ns, NUM_BINS)
        if rates is not None and float(rates.sum()) / NUM_BINS * (end_mono_ns - start) / NS_PER_S >= MIN_READS:
            return rates
    return np.empty(0) if rates is None else rates


def _halves(values: Floats) -> tuple[Floats, Floats]:
    middle = values.size // 2
    return values[:middle], values[middle:]


def _in_words(values: Floats) -> str:
    first, second = _halves(values)
    if not first.size or not values.any():
        return "none"
    return f"{values.mean():.4g} ({second.mean() / first.mean() - 1:+.1%})" if first.mean() else f"{values.mean():.4g}"
