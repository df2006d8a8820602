"""A GPU under a load, as formulas with a known lowest energy: MODELLED, shaped like measured sweeps, not fitted to one.

Voltage has a floor and a knee; prefill is bound by compute, decode by memory until its batch is large; a power limit
holds the clock below the one asked. Numbers are drawn by seed around those of a 700 W board.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

LOW_MHZ, HIGH_MHZ, STEP_MHZ = 210, 1980, 15
STOCK_MHZ = HIGH_MHZ
LIMIT_W = 700.0

COMPUTE_SHARE = {"prefill": 0.97, "decode 1": 0.12, "decode 8": 0.18, "decode 64": 0.45, "decode 256": 0.75}
"""Load -> time that compute alone takes at the highest clock, as a share of the time of the slower of both.

Decode's share rises with the batch: weights are read once for all of it.
"""
ACTIVITY = {"prefill": 1.0, "decode 1": 0.30, "decode 8": 0.36, "decode 64": 0.55, "decode 256": 0.75}
"""Load -> switching activity of the cores against prefill's."""


@dataclass(frozen=True)
class Truth:
    """One GPU at one load."""

    idle_w: float
    memory_w: float
    switching_w: float
    """Of the cores at the highest clock and its voltage."""
    floor_mhz: float
    """Below this clock the voltage stays."""
    knee_mhz: float
    """Above this clock the voltage rises faster."""
    slope_above_knee: float
    compute_share: float
    clock_of_memory_mhz: float
    """Below this clock the cores ask for data too slowly to fill the memory's rate."""

    def _voltage(self, clock_mhz: np.ndarray) -> np.ndarray:
        below = np.maximum(clock_mhz, self.floor_mhz)
        volts = 0.7 + 0.25 * (below - self.floor_mhz) / (HIGH_MHZ - self.floor_mhz)
        return volts + self.slope_above_knee * np.maximum(clock_mhz - self.knee_mhz, 0) / HIGH_MHZ

    def _square(self, clock_mhz: np.ndarray) -> np.ndarray:
        """Return the square of the voltage, 1 at the highest clock."""
        return (self._voltage(clock_mhz) / self._voltage(np.array(float(HIGH_MHZ)))) ** 2

    def leakage_w(self, clock_mhz: np.ndarray) -> np.ndarray:
        """Return the leakage at the temperature that all of these figures are of."""
        return 0.3 * self.idle_w * self._square(clock_mhz)

    def power_at(self, clock_mhz: np.ndarray) -> np.ndarray:
        """Return power under load at a held clock."""
        rate = self.time_of(np.array(float(HIGH_MHZ))) / self.time_of(clock_mhz)
        switching = self.switching_w * self._square(clock_mhz) * clock_mhz / HIGH_MHZ
        return 0.7 * self.idle_w + self.leakage_w(clock_mhz) + self.memory_w * rate + switching

    def time_of(self, clock_mhz: np.ndarray) -> np.ndarray:
        """Return time a token at a held clock, 1 about the highest: a smooth maximum of compute and memory."""
        compute = self.compute_share * HIGH_MHZ / clock_mhz
        memory = np.maximum(1.0, self.clock_of_memory_mhz / clock_mhz)
        return (compute**4 + memory**4) ** 0.25

    def held_mhz(self, asked_mhz: float, limit_w: float = LIMIT_W) -> float:
        """Return the highest clock up to the asked one that stays under the power limit."""
        clocks = np.arange(LOW_MHZ, asked_mhz + 1, STEP_MHZ, dtype=float)
        kept = clocks[self.power_at(clocks) <= limit_w]
        return float(kept[-1]) if kept.size else float(LOW_MHZ)

    def energy_at(self, asked_mhz: float) -> float:
        """Return energy a token at the clock that is held when this one is asked."""
        held = np.array(self.held_mhz(asked_mhz))
        return float(self.power_at(held) * self.time_of(held))


def draw(load: str, seed: int) -> Truth:
    """Return a GPU drawn by seed, at a load."""
    rng = np.random.default_rng([seed, sorted(COMPUTE_SHARE).index(load)])
    return Truth(
        idle_w=rng.uniform(80, 130),
        memory_w=rng.uniform(60, 140),
        switching_w=ACTIVITY[load] * rng.uniform(450, 750),
        floor_mhz=rng.uniform(700, 1100),
        knee_mhz=rng.uniform(1300, 1700),
        slope_above_knee=rng.uniform(0.0, 0.6),
        compute_share=COMPUTE_SHARE[load] * rng.uniform(0.9, 1.1),
        clock_of_memory_mhz=rng.uniform(600, 1000),
    )


@lru_cache
def prefill_of(seed: int) -> Truth:
    """Return a GPU drawn by seed, in prefill."""
    return draw("prefill", seed)


@lru_cache
def decode_of(seed: int, batch_size: int) -> Truth:
    """Return the same GPU in decode: share of compute and activity between the table's batches over log2 of the batch.

    Smaller batches are taken for 1, larger ones for 256.
    """
    gpu, batches = prefill_of(seed), [1, 8, 64, 256]
    share, activity = (
        float(np.interp(np.log2(batch_size), np.log2(batches), [table[f"decode {batch}"] for batch in batches]))
        for table in (COMPUTE_SHARE, ACTIVITY)
    )
    return replace(
        gpu,
        compute_share=gpu.compute_share * share / COMPUTE_SHARE["prefill"],
        switching_w=gpu.switching_w * activity / ACTIVITY["prefill"],
    )
