"""When a window's energy per token is known well enough to end it."""

import math
from pathlib import Path

import pytest

from llmdvfs.benchmark.sweep.precision import Precision

from .test_settling import live, ns


def half_width(folder: Path, until_s: float, power_w: list[float], rate_per_s: float = 500.0) -> float | None:
    """Let a window begin after 1 s, under a load whose power changes from second to second."""
    seen = live(folder, until_s, lambda t_s: power_w[int(t_s + 1e-6) % len(power_w)], lambda t_s: rate_per_s)
    precision = Precision(ns(1.0))
    precision.take(seen)
    return precision.half_width


def test_a_level_load_is_known_at_once(tmp_path: Path) -> None:
    assert half_width(tmp_path, 7.5, [400.0]) == pytest.approx(0.0, abs=1e-9)


def test_five_blocks_are_too_few(tmp_path: Path) -> None:
    assert half_width(tmp_path, 6.5, [400.0]) is None


def test_noise_widens_it(tmp_path: Path) -> None:
    """Blocks at 396 and 404 W in turn: logs of +-0.01, of which the deviation is 0.01 sqrt(6/5); t(5) = 2.571.

    A block's power is the mean of the readings from edge to edge, both included: ten of its own and one of the next.
    """
    found = half_width(tmp_path, 7.5, [396.0, 404.0])
    deviation = math.log((10 * 404 + 396) / (10 * 396 + 404)) / 2
    assert found == pytest.approx(math.expm1(2.571 * deviation * math.sqrt(6 / 5) / math.sqrt(6)), rel=0.02)


def test_a_load_that_reads_nothing_is_not_known(tmp_path: Path) -> None:
    assert half_width(tmp_path, 7.5, [400.0], rate_per_s=0.0) is None


def test_blocks_come_as_they_are_told(tmp_path: Path) -> None:
    """The sampler's newest reading is of 4.9 s: of the window from 1 s on, three blocks have ended."""
    precision = Precision(ns(1.0))
    precision.take(live(tmp_path, 5.0))
    assert len(precision._logs) == 3
