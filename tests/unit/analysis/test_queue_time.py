"""How long requests waited before their prefill ran, from increments of a counter whose truth is made by hand."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Level, Occupancy, step_occupancy
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.queue_time import QUEUES_S, queue_time
from llmdvfs.records.phases import EngineSteps

PREFILL_W, DECODE_W, IDLE_W = 600.0, 400.0, 100.0
LEVELS = (Level("prefill"), Level("decode"), Level("idle", holds_queue=True))
PERIOD_S = 1.037  # no multiple of the counter's 0.1 s: every offset of an edge within an increment occurs


def made(num_requests: int, queue_s: float, seed: int = 1) -> tuple[EnergyCurve, Occupancy, tuple[float, float]]:
    """Every 1.037 s a request: `queue_s` in a queue, 0.2 s of prefill, 0.4 s of decode; told from arrival."""
    steps, edges, powers = [], [0.0], []
    for i in range(num_requests):
        arrival_s = PERIOD_S * (i + 1)
        begin_s, first_s = arrival_s + queue_s, arrival_s + queue_s + 0.2
        steps.append(EngineSteps("single", "prefill", arrival_s, first_s, 1, 0, 1024))
        steps.append(EngineSteps("single", "decode", first_s, first_s + 0.4, 40, 1, 0))
        edges += [begin_s, first_s, first_s + 0.4]
        powers += [IDLE_W, PREFILL_W, DECODE_W]
    end_s = PERIOD_S * (num_requests + 1)
    edges.append(end_s)
    powers.append(IDLE_W)
    truth_j = np.concatenate(([0.0], np.cumsum(np.diff(edges) * powers)))
    t_s = np.arange(0.0, end_s, 0.1)
    noise_j = np.random.default_rng(seed).normal(0.0, 0.02, len(t_s))
    curve = EnergyCurve("made", t_s, np.interp(t_s, edges, truth_j) + noise_j, t_s, np.empty(0), needs_every_poll=False)
    return curve, step_occupancy(steps, (), "single"), (0.5, end_s - 0.5)


@pytest.mark.parametrize("queue_s", [0.006, 0.02, 0.04])
def test_the_queue_is_found_from_energies_alone(queue_s: float) -> None:
    curve, occupancy, window_s = made(60, queue_s)
    found = queue_time([curve], occupancy, LEVELS, window_s, [0.0], np.array([0.0]), 0.1)
    assert found.best_s == pytest.approx(queue_s, abs=0.001)
    assert found.low_s <= queue_s <= found.high_s
    assert found.reason is None


def test_where_nobody_waits_none_is_told() -> None:
    curve, occupancy, window_s = made(60, 0.0)
    found = queue_time([curve], occupancy, LEVELS, window_s, [0.0], np.array([0.0]), 0.1)
    assert (found.best_s, found.low_s) == (0.0, 0.0)
    assert found.high_s < 0.002


def test_too_little_in_all_is_no_phase_and_widens_the_interval() -> None:
    """60 waits of 6 ms are 0.36 s, where 1 s is needed: not told, but a queue of twice as much could be."""
    curve, occupancy, window_s = made(60, 0.006)
    found = queue_time([curve], occupancy, LEVELS, window_s, [0.0], np.array([0.0]), 1.0)
    assert (found.best_s, found.low_s) == (0.0, 0.0)
    assert found.high_s == pytest.approx(0.012, abs=0.002)


def test_few_requests_say_nothing() -> None:
    curve, occupancy, window_s = made(8, 0.02)
    assert queue_time([curve], occupancy, LEVELS, window_s, [0.0], np.array([0.0]), 0.1).high_s == 0.0


def test_a_queue_longer_than_was_looked_for_has_a_reason() -> None:
    curve, occupancy, window_s = made(60, QUEUES_S[-1] + 0.05)
    found = queue_time([curve], occupancy, LEVELS, window_s, [0.0], np.array([0.0]), 0.1)
    assert "more than 60 ms" in (found.reason or "")
