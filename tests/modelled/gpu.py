"""One GPU in time: what it draws and holds at an instant, from its load, its lock, its power limit and its warmth.

MODELLED, with truths.py's formulas. Beside them: a limiter that needs 50 ms to answer and whose event bit stays for
0.5 s (an H100's were 40-60 ms and 0.5 s), leakage that grows with temperature, idle power that the locked clock sets.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from modelled.truths import HIGH_MHZ, Truth

REACTION_S = 0.05
LINGER_S = 0.5
LEAKAGE_PER_KELVIN = 0.01
REFERENCE_C = 50.0
"""At which leakage is as in truths.py."""
IDLE_ACTIVITY = 0.05
"""Switching of an idle GPU with a loaded model, as a share of that under load."""
AMBIENT_C, KELVIN_PER_W = 28.0, 0.06


@dataclass(frozen=True)
class Instant:
    """What is true of the GPU."""

    power_w: float
    clock_mhz: float
    is_capped: bool
    """As the event bit says it, which lingers."""
    speed: float
    """Of the work: 1 where it takes truths.py's unit of time."""


class Limiter:
    """Lets power over the limit for 50 ms, then holds the clock until 50 ms after the last time that it had to."""

    def __init__(self) -> None:
        self._over_since_s: float | None = None
        self._over_last_s = float("-inf")
        self._capped_last_s = float("-inf")

    def is_holding(self, t_s: float, is_over: bool) -> bool:
        """Return whether it holds the clock down; is_over: the load would go over the limit at the clock asked."""
        if not is_over and t_s - self._over_last_s > REACTION_S:
            self._over_since_s = None
        if is_over:
            self._over_since_s = t_s if self._over_since_s is None else self._over_since_s
            self._over_last_s = t_s
        holds = is_over and self._over_since_s is not None and t_s - self._over_since_s >= REACTION_S - 1e-9
        if holds:
            self._capped_last_s = t_s
        return holds

    def shows_cap(self, t_s: float) -> bool:
        """Return the event bit."""
        return t_s - self._capped_last_s <= LINGER_S


def at_work(
    truth: Truth, t_s: float, asked_mhz: float, limit_w: float, temperature_c: float, limiter: Limiter
) -> Instant:
    """Return what is true of the GPU under a load."""
    held_mhz, power_w, leakage_w, speed = _figures(truth, asked_mhz, float("inf"))
    if limiter.is_holding(t_s, is_over=power_w > limit_w):
        held_mhz, power_w, leakage_w, speed = _figures(truth, asked_mhz, limit_w)
    warmth_w = leakage_w * LEAKAGE_PER_KELVIN * (temperature_c - REFERENCE_C)
    return Instant(power_w + warmth_w, held_mhz, limiter.shows_cap(t_s), speed)


def idle(truth: Truth, t_s: float, asked_mhz: float, temperature_c: float, limiter: Limiter) -> Instant:
    """Return what is true of the GPU with a loaded model and nothing to do: its clock stays where it is locked."""
    clock = np.array(float(asked_mhz))
    leakage_w = float(truth.leakage_w(clock)) * (1 + LEAKAGE_PER_KELVIN * (temperature_c - REFERENCE_C))
    volts_square = float(truth.leakage_w(clock) / truth.leakage_w(np.array(float(HIGH_MHZ))))
    switching_w = IDLE_ACTIVITY * truth.switching_w * volts_square * asked_mhz / HIGH_MHZ
    return Instant(0.7 * truth.idle_w + leakage_w + switching_w, asked_mhz, limiter.shows_cap(t_s), 0.0)


def steady_energy(truth: Truth, asked_mhz: float, limit_w: float) -> tuple[float, float]:
    """Return mean power [W] and time a unit of work, when limiter and temperature have come to rest."""
    _, power_w, leakage_w, speed = _figures(truth, asked_mhz, limit_w)
    # P = p + l k (T - T0), T = ambient + r P
    slope = leakage_w * LEAKAGE_PER_KELVIN
    steady_w = (power_w + slope * (AMBIENT_C - REFERENCE_C)) / (1 - slope * KELVIN_PER_W)
    return steady_w, 1 / speed


@lru_cache(maxsize=4096)
def _figures(truth: Truth, asked_mhz: float, limit_w: float) -> tuple[float, float, float, float]:
    """Return held clock, power and leakage at the reference temperature, and speed; limit_w inf: as asked."""
    held_mhz = asked_mhz if limit_w == float("inf") else truth.held_mhz(asked_mhz, limit_w)
    clock = np.array(float(held_mhz))
    return held_mhz, float(truth.power_at(clock)), float(truth.leakage_w(clock)), 1 / float(truth.time_of(clock))
