"""Intervals of what cannot be everything: shares end at 0 and 100 %, and nothing that is compared is below 0."""

import pytest
from fakes.records import Toy, fake_cell
from unit.comparison.studies import compared

from llmdvfs.comparison.summary import of_launches
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import LaunchValue, MetricSummary


def of_starts(values: list[float], most: float | None) -> MetricSummary:
    return of_launches((LaunchValue(n, f"start-{n}", value, True) for n, value in enumerate(values, 1)), most)


def test_a_share_ends_at_100_percent() -> None:
    """A utilisation of 67 % over two starts had an interval up to 2,800 %."""
    mean = of_starts([0.5, 0.9], METRICS["utilisation_mean_fraction"].most).mean
    assert mean.value == pytest.approx(0.6708, abs=1e-4)  # the root of 0.45
    assert mean.low is not None
    assert 0 < mean.low < 0.5
    assert mean.high == 1.0


def test_an_arithmetic_mean_ends_at_0() -> None:
    mean = of_starts([0.0, 3.0], METRICS["output_token_rate_per_s"].most).mean
    # sd 2.1213, n 2: t(0.975, 1 degree of freedom) = 12.7062; half width 12.7062 x 2.1213 / sqrt(2) = 19.0593
    assert (mean.value, mean.low) == (1.5, 0.0)
    assert mean.high == pytest.approx(20.5593, abs=1e-4)


def test_a_mean_that_a_rounding_has_taken_beyond_its_bound_is_in_its_interval() -> None:
    mean = of_starts([1.001, 1.003], 1.0).mean
    assert mean.high == mean.value


def test_the_intervals_of_a_study_stay_within_too() -> None:
    """They are made anew, with the spread that is usual elsewhere in the study."""
    cells = [fake_cell(Toy("single", launch=n, gpu=True, duration_s=0.5)) for n in (1, 2)]
    (deployment,) = compared(cells).groups[0].deployments
    for name, metric in METRICS.items():
        mean = deployment.metrics[name].mean
        if metric.most is not None and mean.high is not None:
            assert mean.high <= metric.most
