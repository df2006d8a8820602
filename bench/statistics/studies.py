"""Made-up studies whose truth is known: logarithms of values by study, metric, deployment, workload and launch.

Half of the variance between launches belongs to the server start, and so to all of its workloads; a deployment that is
the baseline of several is in all of their ratios. So ratios of one study are as correlated as measured ones.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SPREADS = ("lognormal", "t3", "one start in ten slow")
SLOW_FRACTION, SLOW_FACTORS = 0.1, (2.0, 4.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a study is, and whether its cells spread alike."""

    name: str
    num_others: int
    num_workloads: int
    unlike: float
    """Standard deviation of the log of the cells' own standard deviations; 0: all cells spread alike."""
    num_metrics: int = 6

    @property
    def num_ratios(self) -> int:
        """Return how many ratios a study has."""
        return self.num_others * self.num_workloads * self.num_metrics


SHAPES = (
    Shape("1 ratio x 3 workloads, alike", 1, 3, 0.0),
    Shape("1 ratio x 3 workloads, unlike", 1, 3, 0.5),
    Shape("3 ratios x 4 workloads, alike", 3, 4, 0.0),
    Shape("3 ratios x 4 workloads, unlike", 3, 4, 0.5),
    Shape("3 ratios x 4 workloads, very unlike", 3, 4, 1.0),
)


def simulate(shape: Shape, spread: str, sd: float, n: int, num_studies: int, seed: int) -> Array:
    """Return logs, all of true mean 0: studies x metrics, deployments (the baseline first), workloads, launches."""
    rng = np.random.default_rng(seed)
    pools, deployments = num_studies * shape.num_metrics, 1 + shape.num_others
    own_sd = sd * np.exp(shape.unlike * rng.standard_normal((pools, deployments, shape.num_workloads, 1)))
    of_start = _noise(rng, spread, (pools, deployments, 1, n))
    of_cell = _noise(rng, spread, (pools, deployments, shape.num_workloads, n))
    logs = own_sd * (of_start + of_cell) / np.sqrt(2)
    if spread == SPREADS[2]:  # a slow start is slow in all of its workloads
        slow = rng.random((pools, deployments, 1, n)) < SLOW_FRACTION
        logs = logs + slow * np.log(rng.uniform(*SLOW_FACTORS, (pools, deployments, 1, n)))
    return np.asarray(logs)


def _noise(rng: np.random.Generator, spread: str, shape: tuple[int, ...]) -> Array:
    """Return noise of variance 1."""
    if spread == "t3":
        return np.asarray(rng.standard_t(3, shape) / np.sqrt(3))
    return rng.standard_normal(shape)
