"""Whether a series of measurements over cells grows: a robust slope against a stated limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scipy.stats import theilslopes

MIB = 2**20
NUM_SETTLING = 10
"""Cells of a launch that are left out: allocators, caches and pools fill while the first requests are served."""
MIN_CELLS = 20
LIMITS = {
    "rss_bytes": (0.05, 4 * MIB),
    "num_fds": (0.0, 1.0),
    "num_threads": (0.0, 1.0),
    "num": (0.0, 0.5),
    "num_files": (0.0, 0.5),
}
"""Quantity -> (share of its median, absolute value): growth over 100 cells beyond both together is a leak."""


@dataclass(frozen=True)
class Verdict:
    """One series, judged."""

    num_cells: int
    first: float
    """Median of its first tenth, after settling ..."""
    last: float
    """... and of its last tenth."""
    growth: float
    """Theil-Sen slope (the median of the slopes between all pairs of cells) x 100 cells."""
    limit: float
    grows: bool


def judge(quantity: str, cells: Sequence[int], values: Sequence[float]) -> Verdict | None:
    """Return the verdict on a quantity of LIMITS over the cells of one launch; None: too few cells to tell."""
    kept = [(cell, value) for cell, value in zip(cells, values, strict=True) if cell > NUM_SETTLING]
    if len(kept) < MIN_CELLS:
        return None
    own = [value for _, value in kept]
    tenth = max(1, len(own) // 10)
    share, absolute = LIMITS[quantity]
    growth = 100 * float(theilslopes(own, [cell for cell, _ in kept]).slope)
    limit = share * median(own) + absolute
    return Verdict(len(own), median(own[:tenth]), median(own[-tenth:]), growth, limit, growth > limit)
