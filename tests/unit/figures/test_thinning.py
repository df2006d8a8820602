"""A long curve keeps what can be seen of it."""

import numpy as np
import pytest

from llmdvfs.figures.parts.thinning import MAX_POINTS, NUM_SHARES, thinned, thinned_shares


def test_a_short_curve_keeps_every_point() -> None:
    t_s = np.arange(float(MAX_POINTS))
    found = thinned(t_s, t_s**2)
    assert found[0] is t_s


def test_one_spike_and_one_hole_of_a_million_points_are_kept() -> None:
    """200 W throughout, but for one reading of 700 W and one of 0 W."""
    t_s = np.linspace(0.0, 3600.0, 1_000_000)
    power_w = np.full(len(t_s), 200.0)
    power_w[123_456], power_w[700_001] = 700.0, 0.0
    kept_s, kept_w = thinned(t_s, power_w)
    assert len(kept_s) <= MAX_POINTS
    assert kept_s[kept_w == 700.0].tolist() == [t_s[123_456]]
    assert kept_s[kept_w == 0.0].tolist() == [t_s[700_001]]
    assert (kept_s[0], kept_s[-1]) == (0.0, 3600.0)
    assert (np.diff(kept_s) > 0).all()


def test_several_curves_keep_their_points_together() -> None:
    t_s = np.arange(50_000.0)
    low, high = -np.sin(t_s), np.sin(t_s)
    kept_s, kept_low, kept_high = thinned(t_s, low, high)
    assert np.array_equal(kept_low, -np.sin(kept_s))
    assert np.array_equal(kept_high, np.sin(kept_s))
    assert (kept_low.min(), kept_high.max()) == (low.min(), high.max())


def test_shares_of_a_large_sample() -> None:
    """Of the numbers 1 to 400,000 the share at or below x is x / 400,000, from the first to the last."""
    value, share = thinned_shares(np.arange(1.0, 400_001.0))
    assert len(value) == NUM_SHARES
    assert share == pytest.approx(value / 400_000)
    assert (value[0], value[-1]) == (1.0, 400_000.0)
    assert thinned_shares(np.array([3.0, 4.0]))[1].tolist() == [0.5, 1.0]
