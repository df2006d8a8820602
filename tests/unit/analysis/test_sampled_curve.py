"""Phases that the counter cannot tell apart, by the driver's own power samples."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "bench" / "energy"))

from engine_sim import Counters
from loads import SCENARIOS
from phase_error import analysed

from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.sampled_curve import sampled_curve
from llmdvfs.analysis.sensors import Series

STAMPS_S = np.arange(0.02, 4.0, 0.02)
CONSTANT = EnergyCurve("counter", np.array([0.0, 4.0]), np.array([0.0, 800.0]), STAMPS_S, np.empty(0), False)
"""200 W."""


def test_a_samples_energy_is_that_of_the_25_ms_it_saw_scaled_to_the_counter() -> None:
    """Samples of 195 W where the counter has 200: 5 J in 25 ms."""
    curve = sampled_curve(Series(STAMPS_S, np.full(len(STAMPS_S), 195.0)), CONSTANT, (0.0, 4.0))
    assert curve is not None
    found = curve.increments(1.0, 2.0)
    assert found.energy_j == pytest.approx(np.full(len(found.energy_j), 5.0))
    assert (found.begin_s[0], found.end_s[-1]) == pytest.approx((1.015, 2.0))


def test_samples_that_miss_part_of_the_load_tell_nothing() -> None:
    """185 W where the counter has 200, as of a load that repeats in step with the samples: 7.5 % less."""
    assert sampled_curve(Series(STAMPS_S, np.full(len(STAMPS_S), 185.0)), CONSTANT, (0.0, 4.0)) is None


def test_a_second_of_samples_is_needed() -> None:
    few = Series(STAMPS_S[:40], np.full(40, 200.0))
    assert sampled_curve(few, CONSTANT, (0.0, 4.0)) is None
    assert sampled_curve(Series(np.empty(0), np.empty(0)), CONSTANT, (0.0, 4.0)) is None


@pytest.mark.parametrize("with_samples", [False, True])
def test_decode_is_told_on_a_busy_host_where_the_driver_has_samples(with_samples: bool) -> None:
    """With a third of the polls lost the counter tells decode 4 % too low; the driver stamps its own samples."""
    counters = Counters(lost_fraction=0.35, with_samples=with_samples)
    run = replace(SCENARIOS["16, varied"], counters=counters).run(2)
    decode = next(phase for phase in analysed(run, 2).phases if phase.phase == "decode")
    true_j = run.true_j("single", "decode")
    low_j, high_j = decode.energy_j.low, decode.energy_j.high
    assert low_j is not None and high_j is not None  # noqa: PT018
    assert (high_j - low_j) / 2 / true_j > 0.01
    if with_samples:
        assert decode.sensor == "power_samples"
        assert decode.energy_j.value == pytest.approx(true_j, rel=0.01)
        assert low_j < true_j < high_j
    else:
        assert decode.sensor == "energy"
        assert abs((decode.energy_j.value or 0) / true_j - 1) > 0.03
