"""How well the instants of the sensor's refreshes are known, and what that does to the power of each phase.

A refresh that came later than assumed gives its increment too much energy and the next one as much too little. Inside
one phase the two cancel; at an edge they do not. docs/energy.md#interval
"""

import math

import numpy as np

from llmdvfs.analysis.energy.phase_increments import PhaseIncrements
from llmdvfs.analysis.sensors import Floats

WHOLLY = 1 - 1e-6  # share of an increment in one phase, but for rounding
SECOND_DIFFERENCE_VARIANCE = 20.0  # of neighbouring increments: 1 + 9 + 9 + 1 refreshes' variances, in power^2


def refresh_error_s(rows: PhaseIncrements, lag_s: float, power_w: Floats) -> float:
    """Return the standard deviation of the refresh instants, by how neighbouring increments of a phase differ.

    power_w: fitted power of each level; what it explains is taken off. Second differences of the power that is left see
    neither a steady slope nor that requests differ. Where no phase is long enough for three increments, only the polls
    bound the refreshes: uniform between two of them.
    """
    seconds = rows.seconds(lag_s)
    share = seconds @ rows.level_of_phase() / rows.length_s[:, None]
    phase = np.where(share.max(axis=1) >= WHOLLY, share.argmax(axis=1), -1)
    follows = rows.follows
    triple = (phase[1:-1] >= 0) & (phase[:-2] == phase[1:-1]) & (phase[1:-1] == phase[2:]) & follows[1:-1] & follows[2:]
    mean_w = rows.energy_j / rows.length_s
    left_w = mean_w - seconds @ power_w / rows.length_s
    middle = 1 + np.flatnonzero(triple & (mean_w[1:-1] > 0))
    if not len(middle):
        return rows.poll_interval_s / math.sqrt(12)
    bend_w = left_w[middle - 1] - 2 * left_w[middle] + left_w[middle + 1]
    error_s = bend_w / mean_w[middle] * rows.length_s[middle]
    return math.sqrt(float(np.mean(error_s**2)) / SECOND_DIFFERENCE_VARIANCE)


def refresh_power_error_w(
    rows: PhaseIncrements, lag_s: float, power_w: Floats, error_s: float, means: Floats
) -> Floats:
    """Return the standard deviation of each phase's mean power [W] that an error of the refreshes makes.

    means: matrix that makes of the levels' powers the phases' means, shape (levels, phases). The fit is linear in the
    increments: power = C energy, and a refresh displaced by e adds (power drawn then) e to one increment and takes it
    from the next.
    """
    seconds = rows.seconds(lag_s)
    weighted = seconds / rows.length_s[:, None]
    effect = weighted @ np.linalg.pinv(weighted.T @ seconds) @ means
    follows = rows.follows
    effect_before = np.where(follows[:, None], np.roll(effect, 1, axis=0), 0.0)
    is_last = ~np.concatenate((follows[1:], [False]))
    at_begin = _power_at(rows, rows.begin_s - rows.later_s - lag_s, power_w)[:, None] * (effect_before - effect)
    at_end = _power_at(rows, rows.end_s - rows.later_s - lag_s, power_w)[:, None] * effect * is_last[:, None]
    deviation: Floats = error_s * np.sqrt((at_begin**2 + at_end**2).sum(axis=0))
    return deviation


def _power_at(rows: PhaseIncrements, t_s: Floats, power_w: Floats) -> Floats:
    """Return the fitted power at each instant."""
    power: Floats = np.sum(
        [rows.occupancy.weight_at(level, t_s) * w for level, w in zip(rows.levels, power_w, strict=True)], axis=0
    )
    return power
