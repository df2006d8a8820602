"""Energy of one device as a function of time, from its counter or its power readings (docs/metrics.md#energy)."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llmdvfs.analysis.sensors import Floats, Series, change_instants
from llmdvfs.errors import TelemetryGap
from llmdvfs.records.running_energy import counted_j, integrated_j

MAX_SAMPLE_GAP_S = 0.5  # > 2x the sensors' 100-200 ms: a hole in the readings, not jitter
MAX_GAP_IN_POLLS = 3.0  # a slow sampler is not a hole: the gap is at least so many of its own intervals
MAX_EXTRAPOLATION_STEPS = 1.5  # a window may outlive the last refresh by the refresh that is just due


@dataclass(frozen=True, slots=True)
class Increments:
    """Energy used from one refresh of a sensor to the next; arrays of equal length, sorted by time."""

    begin_s: Floats
    end_s: Floats
    energy_j: Floats


class Incremental(Protocol):
    """What tells a device's energy increment by increment."""

    @property
    def poll_s(self) -> Floats:
        """Return the instants at which the sensor was read."""
        ...

    def increments(self, begin_s: float, end_s: float) -> Increments:
        """Return the increments that lie inside the window."""
        ...


@dataclass(frozen=True, slots=True)
class EnergyCurve:
    """Cumulative energy at the instants `t_s`, linear in between; its zero is arbitrary."""

    name: str
    """What it was made from, for messages."""
    t_s: Floats
    energy_j: Floats
    poll_s: Floats
    """Instants at which the sensor was read."""
    resets_s: Floats
    """Instants at which the counter went back: what was used around them is unknown."""
    needs_every_poll: bool
    """Whether a missed reading loses energy: so it does of power, while a counter remembers what was used meanwhile."""

    def between_j(self, begin_s: float, end_s: float) -> float:
        """Return the energy used in [begin, end] [J]; edges between two refreshes are linearly interpolated.

        TelemetryGap where the readings do not cover the window, or the counter went back inside it.
        """
        self._check_covered(begin_s, end_s)
        resets = self.resets_s[(self.resets_s > begin_s) & (self.resets_s < end_s)]
        if len(resets):
            raise TelemetryGap(
                f"{self.name} went back to a lower value at t = {resets[0]:.3f} s, inside the window {begin_s:.3f} to "
                f"{end_s:.3f} s; expected a counter that only grows (driver reload?); use the integral of power instead"
            )
        return self._at(end_s) - self._at(begin_s)

    def increments(self, begin_s: float, end_s: float) -> Increments:
        """Return the increments that lie inside the window, without those over which the counter went back."""
        inside = (self.t_s[:-1] >= begin_s) & (self.t_s[1:] <= end_s)
        for reset_s in self.resets_s:
            inside &= (self.t_s[1:] < reset_s) | (self.t_s[:-1] >= reset_s)
        return Increments(self.t_s[:-1][inside], self.t_s[1:][inside], np.diff(self.energy_j)[inside])

    def _at(self, t_s: float) -> float:
        t, energy = self.t_s, self.energy_j
        if t_s < t[0]:
            return float(energy[0] + (energy[1] - energy[0]) / (t[1] - t[0]) * (t_s - t[0]))
        if t_s > t[-1]:
            return float(energy[-1] + (energy[-1] - energy[-2]) / (t[-1] - t[-2]) * (t_s - t[-1]))
        return float(np.interp(t_s, t, energy))

    def _check_covered(self, begin_s: float, end_s: float) -> None:
        step_s = MAX_EXTRAPOLATION_STEPS * float(np.median(np.diff(self.t_s)))
        if begin_s < self.t_s[0] - step_s or end_s > self.t_s[-1] + step_s:
            raise TelemetryGap(
                f"{self.name} is known from {self.t_s[0]:.3f} to {self.t_s[-1]:.3f} s, the window is {begin_s:.3f} to "
                f"{end_s:.3f} s; let the sampler run before and after the load"
            )
        gaps_s = np.diff(self.poll_s)
        limit_s = max(MAX_SAMPLE_GAP_S, MAX_GAP_IN_POLLS * float(np.median(gaps_s)))
        for i in np.flatnonzero(gaps_s > limit_s):
            gap_begin_s, gap_end_s = float(self.poll_s[i]), float(self.poll_s[i + 1])
            holds_edge = gap_begin_s < begin_s < gap_end_s or gap_begin_s < end_s < gap_end_s
            overlaps = gap_begin_s < end_s and gap_end_s > begin_s
            if holds_edge or (self.needs_every_poll and overlaps):
                raise TelemetryGap(
                    f"{self.name} was not read from {gap_begin_s:.3f} to {gap_end_s:.3f} s, in the window "
                    f"{begin_s:.3f} to {end_s:.3f} s; expected a reading every {limit_s:.2f} s at least; see the "
                    "sampler's report"
                )


def curve_from_counter(name: str, counter: Series) -> EnergyCurve:
    """Return the curve through the instants at which an energy counter changed.

    TelemetryGap below two readings.
    """
    _check_enough(name, counter)
    t_s, value_j = change_instants(counter)
    if len(t_s) < 2:  # it never moved: nothing was used for as long as it was read
        t_s, value_j = counter.t_s[[0, -1]], counter.value[[0, -1]]
    resets_s = (t_s[:-1] + t_s[1:])[np.diff(value_j) < 0] / 2
    return EnergyCurve(name, t_s, counted_j(value_j), counter.t_s, resets_s, needs_every_poll=False)


def curve_from_power(name: str, power: Series) -> EnergyCurve:
    """Return the running integral of power readings, by the trapezoidal rule; TelemetryGap below two readings."""
    _check_enough(name, power)
    return EnergyCurve(
        name, power.t_s, integrated_j(power.t_s, power.value), power.t_s, np.empty(0), needs_every_poll=True
    )


def _check_enough(name: str, series: Series) -> None:
    if len(series) < 2:
        raise TelemetryGap(f"{name}: {len(series)} readings, expected at least 2; was the sampler running?")
