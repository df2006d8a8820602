"""Summary of a sample (docs/metrics.md): percentiles interpolate linearly between order statistics."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmdvfs.records.result import Distribution


def distribution(values: Sequence[float] | npt.NDArray[np.float64]) -> Distribution:
    """Return n, mean, sd (over n - 1; None for n = 1), range and percentiles; only n where n is 0."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        return Distribution(n=0)
    p50, p90, p95, p99 = (float(p) for p in np.percentile(sample, (50, 90, 95, 99)))
    return Distribution(
        n=int(sample.size),
        mean=float(sample.mean()),
        sd=float(sample.std(ddof=1)) if sample.size > 1 else None,
        min=float(sample.min()),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        max=float(sample.max()),
    )
