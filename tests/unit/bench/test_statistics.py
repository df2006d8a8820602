"""The simulated studies judge the method that the library uses, and no other."""

import sys
from pathlib import Path

import numpy as np
import pytest

from llmdvfs.comparison.statistics import log_mean, usual_elsewhere

sys.path.append(str(Path(__file__).parents[3] / "bench" / "statistics"))

from methods import METHODS, chosen
from narrowest import highest_narrowest
from studies import SHAPES, SPREADS, simulate


@pytest.mark.parametrize("n", [2, 5])
def test_the_chosen_method_is_the_library_s(n: int) -> None:
    logs = simulate(SHAPES[2], SPREADS[0], 0.03, n, num_studies=1, seed=1)
    ratios = np.exp(logs[:1, 1:] - logs[:1, :1]).reshape(1, -1, n)
    claims = chosen(np.ones_like(ratios), ratios)
    means = [log_mean(list(ratio)) for ratio in ratios[0]]
    for index, (mean, usual) in enumerate(zip(means, usual_elsewhere([own.spread for own in means]), strict=True)):
        interval = mean.shrunk(usual).interval()
        assert (claims.low[0, index], claims.high[0, index]) == pytest.approx((interval.low, interval.high))
        # of two launches the library has a p-value, and claims nothing by it
        assert claims.p_value[0, index] == pytest.approx(mean.shrunk(usual).p_value() if n > 2 else 1.0)


def test_studies_without_a_difference_have_none() -> None:
    """The mean over many made-up studies is 0, whatever the spread; slow starts are as frequent on both sides."""
    for spread in SPREADS:
        logs = simulate(SHAPES[2], spread, 0.03, 3, num_studies=300, seed=2)
        ratios = (logs[:, 1:] - logs[:, :1]).mean(axis=(1, 2, 3))
        assert abs(ratios.mean()) < 4 * ratios.std() / np.sqrt(len(ratios))


def test_every_method_covers_a_ratio_that_is_as_certain_as_can_be() -> None:
    rng = np.random.default_rng(3)
    baseline, other = (np.exp(1e-6 * rng.standard_normal((20, 4, 8))) for _ in range(2))
    for name, method in METHODS.items():
        claims = method(baseline, 2 * other)
        if not np.isnan(claims.low).all():
            assert (claims.high - claims.low < 1e-4).all(), name
        assert (claims.p_value < 0.05).all(), name


def test_the_bound_of_the_narrowest_tenth_by_hand() -> None:
    """Of 2 degrees of freedom all is closed: s^2 is exponential, Student's quantile is c = 0.97 sqrt(2 / (1 - 0.97^2)).

    c = 5.643; s^2 is below q = -ln 0.9 = 0.1054 in a tenth of the studies. By parts, with k = 1 + c^2 / 2 = 16.92:
    (0.97 erf(sqrt(k q)) - 0.9 erf(c sqrt(q / 2))) / 0.1 = (0.97 x 0.9410 - 0.9 x 0.9330) / 0.1 = 0.731.
    """
    assert highest_narrowest(2) == pytest.approx(0.731, abs=0.001)
    assert highest_narrowest(100_000) == pytest.approx(0.97, abs=0.001)  # who knows the spread has no luck
