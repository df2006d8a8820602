"""Block bootstrap: redraws whole stretches of time, whose errors belong together, and gives an interval."""

import numpy as np

from llmdvfs.analysis.sensors import Floats

CONFIDENCE = 0.95


def block_weights(num_blocks: int, num_resamples: int, seed: int) -> Floats:
    """Return how often each block is drawn in each resample, shape (num_resamples, num_blocks).

    seed: equal seeds give equal weights.
    """
    drawn = np.random.default_rng(seed).multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks), num_resamples)
    return drawn.astype(np.float64)


def percentile_interval(resampled: Floats) -> tuple[float, float]:
    """Return the 2.5th and the 97.5th percentile of the resampled values."""
    low, high = np.percentile(resampled, (50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)))
    return float(low), float(high)
