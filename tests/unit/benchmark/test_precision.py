"""When a window's energy per token is known well enough to end it."""

import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from llmdvfs.benchmark.sweep import step
from llmdvfs.benchmark.sweep.live import Sensor
from llmdvfs.benchmark.sweep.precision import Precision
from llmdvfs.clock import NS_PER_S

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


@dataclass
class LevelLoad:
    """A load at 400 W and 500 reads a second, on a clock that each look at it moves by a quarter of a second."""

    now_mono_ns: int = 0
    sent_per_s: float = 8.0

    def wait(self, held: object) -> None:
        self.now_mono_ns += NS_PER_S // 4

    @property
    def progress(self) -> Any:
        return SimpleNamespace(num_sent=int(self.now_mono_ns / NS_PER_S * self.sent_per_s), peak_in_flight=4)

    @property
    def live(self) -> "LevelLoad":
        return self

    def covers(self, instant_mono_ns: int) -> bool:
        return self.now_mono_ns > instant_mono_ns

    def sensors(self, quantities: tuple[str, ...]) -> list[Sensor]:
        return [Sensor("gpu0", quantity) for quantity in quantities if quantity == "power_instant_w"]

    def values(self, *_: object) -> Any:
        return np.array([400.0])

    def read_rates_per_s(self, *_: object) -> Any:
        return np.array([500.0])


@pytest.mark.parametrize(
    ("half_width_fraction", "sent_per_s", "expected_s"),
    [
        (0.01, 8.0, 6.25),  # the look after six whole blocks
        (None, 8.0, 20.0),
        (0.01, 0.1, 20.0),  # two requests in twenty seconds: two of four streams still are in their first answer
    ],
)
def test_a_window_ends_when_it_knows_enough(
    monkeypatch: pytest.MonkeyPatch, half_width_fraction: float | None, sent_per_s: float, expected_s: float
) -> None:
    load = LevelLoad(sent_per_s=sent_per_s)
    monkeypatch.setattr(step, "mono_ns", lambda: load.now_mono_ns)
    workload = SimpleNamespace(duration_s=20.0, min_requests=None, max_duration_s=None)
    begin, end = step._window(cast(Any, load), cast(Any, None), cast(Any, workload), half_width_fraction)
    assert (end - begin) / NS_PER_S == expected_s
