"""Limits of the phase regression; docs/energy.md shows what they do."""

from dataclasses import dataclass

import numpy as np

from llmdvfs.analysis.sensors import Floats

WIDEST_LAG_S = 0.5
WIDE_STEP_S = 0.01


@dataclass(frozen=True, slots=True)
class RegressionSettings:
    """Limits of the phase regression; docs/energy.md shows what they do."""

    num_bootstrap: int = 1000
    """Number of resamples."""
    block_s: float = 1.0
    """Length of a block of time that is redrawn as a whole, since the errors of neighbouring increments are not
    independent (one refresh ends both)."""
    max_blocks: int = 300
    """Of a longer window the blocks are longer: more of them tell an interval no better, and take gigabytes."""
    min_blocks: int = 10
    """Number of blocks below which a bootstrap says little, and no interval is given."""
    max_condition_number: float = 30.0
    """Limit beyond which collinearity does harm, by Belsley, with columns scaled to unit length."""
    min_occupancy_s: float = 1.0
    """Time, about ten refreshes of a 100 ms counter, below which a phase cannot be told from noise."""
    max_lag_s: float = 0.15
    """Largest time by which the energy readings may trail the phases' edges, or lead them."""
    lag_step_s: float = 0.002
    """Distance of the candidate lags."""
    max_models: int = 12
    """How many power models are tried, from the plainest on; 1: each phase has one power."""
    max_model_error: float = 0.02
    """Largest difference, as a fraction, between models that explain the readings alike; a phase on which they differ
    by more is not given."""

    min_model_error: float = 1e-4
    """Of a phase's energy, at least so much is added to its interval on either side: stamps tell it no better."""
    max_half_width: float = 0.05
    """A phase whose interval is wider, relative to its energy, is not given."""

    @property
    def lags_s(self) -> Floats:
        """Return the candidate lags [s], rising."""
        steps = round(self.max_lag_s / self.lag_step_s)
        return self.lag_step_s * np.arange(-steps, steps + 1, dtype=np.float64)

    @property
    def lags_beyond_s(self) -> Floats:
        """Return lags outside the search [s]: where one of them fits better, none inside it is right."""
        wide_s = np.arange(-WIDEST_LAG_S, WIDEST_LAG_S + WIDE_STEP_S / 2, WIDE_STEP_S)
        found: Floats = wide_s[np.abs(wide_s) > self.max_lag_s + WIDE_STEP_S / 2]
        return found
