"""How long requests waited before their prefill ran, from increments of a counter whose truth is made by hand."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Level, Occupancy, step_occupancy
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.queue_time import QUEUES_S, queue_time
from llmdvfs.records.phases import EngineSteps, EngineWait

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


def test_a_weak_begin_of_each_prefill_is_no_queue_where_nothing_idles() -> None:
    """Prompts one after another, 1 ms apart: the first 20 ms of each 237 ms draw 450 W, the rest 700 W.

    Nothing says what an idle device draws, so 20 ms of queue at 450 W explain it best; on an H100 that made the energy
    of a load of prefills alone null. A device at rest draws 100 W, and no device queues with four times as much: what
    is missing is at most 20 ms x (700 - 450) / (700 - 100) = 8.3 ms of rest.
    """
    begin_s = 0.238 * np.arange(100)
    steps = [EngineSteps("single", "prefill", b, b + 0.237, 1, 0, 1024) for b in begin_s]
    edges = np.sort(np.concatenate([begin_s, begin_s + 0.02, begin_s + 0.237, [23.8]]))
    truth_j = np.concatenate(([0.0], np.cumsum(np.diff(edges) * np.tile([450.0, 700.0, IDLE_W], 100))))
    t_s = np.arange(0.0, 23.0, 0.1)
    curve = EnergyCurve("made", t_s, np.interp(t_s, edges, truth_j), t_s, np.empty(0), needs_every_poll=False)
    levels = (Level("prefill"), Level("idle", holds_queue=True))
    told = (curve,), step_occupancy(steps, (), "single"), levels, (0.5, 22.5), [0.0], np.array([0.0]), 0.1
    assert queue_time(*told).best_s == pytest.approx(0.02, abs=0.002)
    assert queue_time(*told, idle_power_w=IDLE_W).best_s == pytest.approx(0.0083, abs=0.001)


def test_what_the_engine_tells_is_taken() -> None:
    """Prompts one after another, of 209 ms: for 28 of them the server reads and the GPU idles, which nothing else says.

    So an H100 that prefilled at 607 W between decodes seemed to do so at 559 W alone.
    """
    begin_s = 0.21 * np.arange(100)
    steps = [EngineSteps("single", "prefill", b, b + 0.209, 1, 0, 16_000) for b in begin_s]
    edges = np.sort(np.concatenate([begin_s, begin_s + 0.028, begin_s + 0.209, [21.0]]))
    truth_j = np.concatenate(([0.0], np.cumsum(np.diff(edges) * np.tile([250.0, PREFILL_W, IDLE_W], 100))))
    t_s = np.arange(0.0, 20.5, 0.1)
    curve = EnergyCurve("made", t_s, np.interp(t_s, edges, truth_j), t_s, np.empty(0), needs_every_poll=False)
    levels = (Level("prefill"), Level("idle", holds_queue=True))
    given = (curve,), step_occupancy(steps, (), "single"), levels, (0.5, 20.0), [0.0], np.array([0.0]), 1.0, IDLE_W
    assert queue_time(*given).best_s < 0.025
    found = queue_time(*given, EngineWait(0.028, 0.024, 0.032))
    assert (found.best_s, found.low_s, found.high_s, found.reason) == (0.028, 0.024, 0.032, None)


def test_a_mean_over_other_requests_is_not_taken() -> None:
    """Where most prefills begin while the engine decodes, their mean says little of those that met it idle."""
    curve, occupancy, window_s = made(60, 0.02)
    busy = [EngineSteps("single", "mixed", 70 + i, 70.3 + i, 1, 1, 64) for i in range(60)]
    more = [EngineSteps("single", "decode", 70.3 + i, 71.0 + i, 70, 1, 0) for i in range(60)]
    steps = [EngineSteps("single", "prefill", 1.037 * i, 1.037 * i + 0.22, 1, 0, 64) for i in range(1, 61)]
    mixed = step_occupancy(sorted([*steps, *busy, *more], key=lambda step: step.begin_s), (), "single")
    wide = (0.5, 130.0)
    told = EngineWait(0.005, 0.004, 0.006)
    assert queue_time([curve], occupancy, LEVELS, window_s, [0.0], np.array([0.0]), 0.1, None, told).best_s == 0.005
    found = queue_time([curve], mixed, LEVELS, wide, [0.0], np.array([0.0]), 0.1, None, told)
    assert found.best_s != 0.005
