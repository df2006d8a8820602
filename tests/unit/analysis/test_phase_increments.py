"""The rows of the phase regression: seconds in each level at a lag, and the stretches of a long window."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.level_seconds import level_seconds
from llmdvfs.analysis.axis.occupancy import Level, Occupancy, step_occupancy
from llmdvfs.analysis.energy import increment_blocks
from llmdvfs.analysis.energy import phase_increments as room
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.energy.increment_blocks import in_blocks
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
    assert rows.seconds(0.0)[:, 0].tolist() == pytest.approx([0, 1, 0.5, 0, 0, 0.75, 0.75, 0])
    assert rows.seconds(0.5)[:, 0].tolist() == pytest.approx([0, 0.5, 1, 0, 0, 0.25, 1, 0.25])
    for lag_s in (0.0, 0.5, -7.0, 7.0):
        assert rows.seconds(lag_s).sum(axis=1) == pytest.approx(rows.length_s)


def test_blocks_hold_the_increments_of_their_time_and_nothing_else() -> None:
    """Two devices of four increments, blocks of 3 s: six increments in the one, each device's last in the other.

    In a block a device's increments share their instants: 0, 1, 2, 3 and again 0, 1, 2, 3; then 3, 4 and 3, 4. Between
    the devices lies a place without an increment.
    """
    curves = [steady(4, 1), steady(4, 1)]
    rows = phase_increments(curves, decoding(1.0, 2.5), LEVELS, (0.0, 4.0), [0.0, 0.25])
    blocks = in_blocks(rows, (rows.begin_s // 3).astype(np.int64))
    assert blocks.instant_s[0].tolist() == [0, 1, 2, 3, -0.25, 0.75, 1.75, 2.75]
    assert blocks.instant_s[1].tolist() == [3, 4, 2.75, 3.75, 3.75, 3.75, 3.75, 3.75]
    assert blocks.length_s.tolist() == [[1, 1, 1, 0, 1, 1, 1], [1, 0, 1, 0, 0, 0, 0]]
    assert blocks.energy_j.sum(axis=1).tolist() == pytest.approx([1800, 600])
    (seconds,) = blocks.seconds_over(np.array([0.5]), level_seconds(rows.occupancy, rows.levels))
    assert seconds[0][blocks.length_s > 0][:, 0].tolist() == pytest.approx([0, 0.5, 1, 0, 0.25, 1, 0, 0.25])


def test_many_lags_of_a_long_window_come_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five instants a lag and twelve at most: two lags at a time, the third by itself, each as alone."""
    rows = phase_increments([steady(4, 1)], decoding(1.0, 2.5), LEVELS, (0.0, 4.0))
    monkeypatch.setattr(increment_blocks, "MAX_INSTANTS", 12)
    lags_s = np.array([0.0, 0.5, -0.25])
    blocks, running = in_blocks(rows, np.zeros(4, dtype=np.int64)), level_seconds(rows.occupancy, rows.levels)
    found = list(blocks.seconds_over(lags_s, running))
    assert [len(of_lags) for of_lags in found] == [2, 1]
    assert np.concatenate(found)[:, 0] == pytest.approx(np.array([rows.seconds(lag_s) for lag_s in lags_s]))


def test_a_level_that_never_occurs_has_sums_of_nothing() -> None:
    """Decode for 1.5 of 4 s at 300 W, and no prefill: as without a column of prefill, with zeros in its place."""
    occupancy, block = decoding(1.0, 2.5), np.zeros(4, dtype=np.int64)
    with_prefill = (Level("decode"), Level("prefill"), Level("idle"))
    two, three = (
        in_blocks(phase_increments([steady(4, 1)], occupancy, levels, (0.0, 4.0)), block).sums_over([0.0, 0.1])
        for levels in (LEVELS, with_prefill)
    )
    assert three.seconds[0].tolist() == pytest.approx([1.5, 0.0, 2.5])
    assert three.moment[0, 0].tolist() == pytest.approx([450.0, 0.0, 750.0])
    assert np.array_equal(three.gram[:, :, [0, 2]][:, :, :, [0, 2]], two.gram)
    assert not three.gram[:, :, 1].any()
    assert not three.gram[:, :, :, 1].any()


def test_where_nothing_ran_all_time_is_idle() -> None:
    rows = phase_increments([steady(4, 1)], step_occupancy((), (), "single"), LEVELS, (0.0, 4.0))
    assert rows.seconds(0.3).tolist() == pytest.approx(np.array([[0.0, 1.0]] * 4))


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
