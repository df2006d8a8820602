"""The power models of a role: which levels a phase is divided into, worked out by hand."""

import numpy as np
import pytest

from llmdvfs.analysis.axis.occupancy import Level, Occupancy, step_occupancy
from llmdvfs.analysis.energy.levels import power_models, shares_of
from llmdvfs.records.phases import EngineSteps

WINDOW_S = (0.0, 20.0)


def decoding(*batches: int, each_s: float = 2.0) -> Occupancy:
    """Decode steps of these batches, one after another from 0 s on; idle for the rest of 20 s."""
    steps = [
        EngineSteps("single", "decode", i * each_s, (i + 1) * each_s, 100, batch, 0) for i, batch in enumerate(batches)
    ]
    return step_occupancy(steps, (), "single")


def of_decode(model: tuple[Level, ...]) -> list[Level]:
    return [level for level in model if level.phase == "decode"]


def test_the_plainest_model_has_one_power_a_phase() -> None:
    plainest = power_models(decoding(1, 2, 4, 8), WINDOW_S, 1)[0]
    assert [(level.phase, level.knots) for level in plainest] == [("decode", ()), ("idle", ())]
    assert [level.holds_queue for level in plainest] == [False, True]


def test_levels_lie_at_even_doublings_of_the_batch_and_add_up_to_the_phase() -> None:
    """Batches of 1 to 8 are 0 to 3 doublings: two levels have knots at 0 and 3, and batch 2 is a third of the upper."""
    occupancy = decoding(1, 2, 4, 8)
    two = of_decode(next(model for model in power_models(occupancy, WINDOW_S, 1) if len(of_decode(model)) == 2))
    assert two[0].knots == (0.0, 3.0)
    middle_s = np.array([1.0, 3.0, 5.0, 7.0, 15.0])
    lower, upper = (occupancy.weight_at(level, middle_s) for level in two)
    assert upper == pytest.approx([0, 1 / 3, 2 / 3, 1, 0])
    assert lower + upper == pytest.approx([1, 1, 1, 1, 0])


def test_a_batch_that_never_changes_has_no_levels() -> None:
    richest = power_models(decoding(8, 8, 8, 8), WINDOW_S, 1)[-1]
    assert all(level.knots == () for level in of_decode(richest))


def test_no_more_levels_than_there_is_time_for() -> None:
    """Two batches of 0.4 s are 0.8 s: at 0.3 s a level two levels, on two devices, whose time counts twice, five."""
    occupancy = decoding(1, 8, each_s=0.4)
    assert (
        max(len({level.position for level in of_decode(model)}) for model in power_models(occupancy, WINDOW_S, 1)) == 2
    )
    assert (
        max(len({level.position for level in of_decode(model)}) for model in power_models(occupancy, WINDOW_S, 2)) == 5
    )


def test_the_first_tenth_of_a_second_is_a_part_of_its_own_where_there_is_enough_of_it() -> None:
    """Five loads of 1 s, each out of idle: 0.5 s are early. One load has 0.1 s of it, too little to have a power."""
    often = step_occupancy(
        [EngineSteps("single", "decode", 2.0 * i, 2.0 * i + 1.0, 50, 4, 0) for i in range(5)], (), "single"
    )
    assert {level.part for model in power_models(often, WINDOW_S, 1) for level in of_decode(model)} == {
        "whole",
        "early",
        "late",
    }
    once = decoding(4, each_s=5.0)
    assert {level.part for model in power_models(once, WINDOW_S, 1) for level in of_decode(model)} == {"whole"}


def test_every_model_is_richer_than_the_one_before_it_and_none_comes_twice() -> None:
    models = power_models(decoding(1, 2, 4, 8), WINDOW_S, 1)
    assert len(set(models)) == len(models)
    assert [len(of_decode(model)) for model in models] == [1, 2, 3, 5, 9]


def test_coarse_levels_are_sums_of_fine_ones() -> None:
    """Knots 0, 1.5, 3 hold those of 0, 3: the middle level is half in the lower and half in the upper of the two."""
    fine = [Level("decode", (0.0, 1.5, 3.0), i) for i in range(3)] + [Level("idle", holds_queue=True)]
    coarse = [Level("decode", (0.0, 3.0), i) for i in range(2)] + [Level("idle", holds_queue=True)]
    shares = shares_of(fine, coarse)
    assert shares is not None
    assert shares.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    whole = shares_of(fine, [Level("decode"), Level("idle", holds_queue=True)])
    assert whole is not None
    assert whole.tolist() == [[1, 0], [1, 0], [1, 0], [0, 1]]


def test_a_level_in_two_parts_is_their_sum() -> None:
    fine = [Level("decode", part="early"), Level("decode", part="late")]
    shares = shares_of(fine, [Level("decode")])
    assert shares is not None
    assert shares.tolist() == [[1], [1]]


def test_levels_between_the_fine_knots_are_not_their_sums() -> None:
    """Five levels have a knot at 0.75, six have none there."""
    fine = [Level("decode", tuple(np.linspace(0, 3, 6).tolist()), i) for i in range(6)]
    assert shares_of(fine, [Level("decode", tuple(np.linspace(0, 3, 5).tolist()), i) for i in range(5)]) is None
