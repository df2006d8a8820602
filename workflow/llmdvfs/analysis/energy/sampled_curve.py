"""The driver's own power samples as energy increments, scaled to the device's energy (docs/energy.md#samples).

Where the phases of an engine last tens of milliseconds, the counter's refreshes of 100 ms mostly straddle them; a
sample, the mean power of the 25 ms before its stamp, mostly lies inside one.
"""

from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.energy.curve import EnergyCurve, Increments
from llmdvfs.analysis.sensors import Floats, Series
from llmdvfs.records.running_energy import integrated_j

SEEN_S = 0.025  # MEASURED on an H100: the integral of samples follows a square wave as means over so long do
MIN_SAMPLES = 50  # a second
STRETCH_S = 5.0  # over which samples and energy are compared: a refresh dated 0.1 s wrong is 2 % of it
MAX_DIFFERENCE_FRACTION = 0.03  # from the device's energy, over all and from stretch to stretch: beyond it they alias


@dataclass(frozen=True, slots=True)
class SampledCurve:
    """Energy of the time that each sample saw; neighbouring ones overlap where they are closer than SEEN_S."""

    samples: Series
    """Power [W] at the stamps of the samples."""
    gain: float
    """What the samples' integral is of the device's energy: a sensor's error of scale is none of the phases'."""

    @property
    def poll_s(self) -> Floats:
        """Return the instants at which the sensor was read."""
        return self.samples.t_s

    def increments(self, begin_s: float, end_s: float) -> Increments:
        """Return the increments that lie inside [begin_s, end_s]."""
        inside = (self.samples.t_s - SEEN_S >= begin_s) & (self.samples.t_s <= end_s)
        stamps_s = self.samples.t_s[inside]
        return Increments(stamps_s - SEEN_S, stamps_s, self.samples.value[inside] * SEEN_S / self.gain)


def stretches_j(samples: Series, energy: EnergyCurve, stretch_s: float) -> tuple[Floats, Floats]:
    """Return for each whole stretch of the samples' time the energy by their trapezoid and by the energy curve [J].

    Of samples of less than a stretch, for all of their time.
    """
    begins_s = np.arange(samples.t_s[0], samples.t_s[-1] - stretch_s, stretch_s)
    edges_s = np.append(begins_s, begins_s[-1] + stretch_s) if len(begins_s) else samples.t_s[[0, -1]]
    sampled_j = np.interp(edges_s, samples.t_s, integrated_j(samples.t_s, samples.value))
    return np.diff(sampled_j), np.diff(np.interp(edges_s, energy.t_s, energy.energy_j))


def sampled_curve(samples: Series, energy: EnergyCurve, window_s: tuple[float, float]) -> SampledCurve | None:
    """Return a device's samples in the window, scaled to its energy; None where they do not stand for it.

    So it is where they are too few, or differ from the device's energy by more than a sensor's gain: a load that
    repeats in step with the samples is seen in some of its phases only.
    """
    inside = (samples.t_s >= window_s[0]) & (samples.t_s <= window_s[1])
    own = Series(samples.t_s[inside], samples.value[inside])
    if len(own) < MIN_SAMPLES:
        return None
    sampled_j, used_j = stretches_j(own, energy, STRETCH_S)
    if not (used_j > 0).all():
        return None
    gain, ratios = float(sampled_j.sum() / used_j.sum()), sampled_j / used_j
    difference = max(abs(gain - 1), float(np.std(ratios, ddof=1)) if len(ratios) > 1 else 0.0)
    return SampledCurve(own, gain) if difference <= MAX_DIFFERENCE_FRACTION else None
