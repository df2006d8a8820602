"""The rows of the phase regression: seconds in each level at a lag, and the stretches of a long window."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Level, Occupancy, step_occupancy
from llmdvfs.analysis.energy import phase_increments as room
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.phase_increments import phase_increments
from llmdvfs.records.phases import EngineSteps

LEVELS = (Level("decode"), Level("idle"))


def decoding(begin_s: float, end_s: float) -> Occupancy:
    return step_occupancy([EngineSteps("single", "decode", begin_s, end_s, 10, 4, 0)], (), "single")


def steady(end_s: float, step_s: float) -> EnergyCurve:
    """300 W throughout."""
    t_s = np.arange(0.0, end_s + step_s / 2, step_s)
    return EnergyCurve("made", t_s, 300 * t_s, t_s, np.empty(0), False)


def test_seconds_in_each_level_at_two_lags() -> None:
    """Decode from 1 to 2.5 s; readings that trail by 0.5 s show it from 1.5 to 3 s; a second device 0.25 s later."""
    rows = phase_increments([steady(4, 1), steady(4, 1)], decoding(1.0, 2.5), LEVELS, (0.0, 4.0), [0.0, 0.25])
    at_once, later = next(rows.seconds_over((0.0, 0.5)))[:, :, 0]
    assert at_once.tolist() == pytest.approx([0, 1, 0.5, 0, 0, 0.75, 0.75, 0])
    assert later.tolist() == pytest.approx([0, 0.5, 1, 0, 0, 0.25, 1, 0.25])
    for seconds in next(rows.seconds_over((0.0, 0.5, -7.0, 7.0))):
        assert seconds.sum(axis=1) == pytest.approx(rows.length_s)


def test_many_lags_of_a_long_window_come_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five instants a lag and twelve at most: two lags at a time, the third by itself, each as alone."""
    rows = phase_increments([steady(4, 1)], decoding(1.0, 2.5), LEVELS, (0.0, 4.0))
    monkeypatch.setattr(room, "MAX_INSTANTS", 12)
    lags_s = (0.0, 0.5, -0.25)
    found = list(rows.seconds_over(lags_s))
    assert [len(of_lags) for of_lags in found] == [2, 1]
    assert np.array_equal(np.concatenate(found), [rows.seconds(lag_s) for lag_s in lags_s])


def test_of_a_long_window_whole_stretches_are_taken_from_all_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 s of ten increments each, 500 allowed: one second of every 20, so that five lie in each tenth."""
    monkeypatch.setattr(room, "MAX_INCREMENTS", 500)
    rows = phase_increments([steady(1000, 0.1)], decoding(1.0, 999.0), LEVELS, (0.0, 1000.0))
    assert len(rows.energy_j) == pytest.approx(500, abs=5)
    tenths = np.unique(np.floor(rows.begin_s + 1e-6)) // 100
    assert [int((tenths == tenth).sum()) for tenth in range(10)] == [5] * 10
    assert rows.whole_s == pytest.approx(1000.0)
    assert rows.energy_j.sum() / rows.length_s.sum() == pytest.approx(300.0)


def test_of_a_short_window_all_increments_are_taken() -> None:
    rows = phase_increments([steady(10, 0.1)], decoding(1.0, 9.0), LEVELS, (0.0, 10.0))
    assert len(rows.energy_j) == 100
