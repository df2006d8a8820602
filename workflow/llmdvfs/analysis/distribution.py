"""Summary of a sample (docs/metrics.md#latency); percentiles interpolate linearly between order statistics."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmdvfs.records.result import Distribution

MIN_N_FOR_P99 = 100
"""In a smaller sample nothing lies above the 99th percentile: what is printed would be the largest value."""


def distribution(values: Sequence[float] | npt.NDArray[np.float64], *, at_least: Sequence[float] = ()) -> Distribution:
    """Return n, mean, sd (over n - 1; None for n = 1), range and percentiles of a sample of any unit.

    at_least: further members of the sample of which only a lower bound is known (requests that timed out). They enter
    with that bound and are counted in `num_at_least`. The 99th percentile is None below 100 values; every field but n
    is None where n is 0.
    """
    sample = np.concatenate((np.asarray(values, dtype=np.float64), np.asarray(at_least, dtype=np.float64)))
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
        p99=p99 if sample.size >= MIN_N_FOR_P99 else None,
        max=float(sample.max()),
        num_at_least=len(at_least),
    )
