"""Splitting increments among phases, on tables small enough to work out by hand."""

import math

import numpy as np
import pytest

from llmdvfs.analysis.energy.regression import LARGEST_CONDITION, PhaseSums, _vertex, phase_sums


def sums(rows: list[tuple[float, float, float]]) -> PhaseSums:
    """Increments of 1 s as (seconds of prefill, seconds of decode, energy), the same at three lags."""
    table = np.array(rows, dtype=np.float64)
    seconds, energy_j = table[:, :2], table[:, 2]
    return phase_sums([np.stack([seconds[:, None]] * 3)], np.ones((len(rows), 1)), energy_j[:, None])


def fitted(found: PhaseSums, weights: list[float]) -> list[float]:
    powers, _ = found.fit(np.array([weights]))
    return powers[0].tolist()


def test_two_powers_that_explain_everything() -> None:
    """700 W of prefill and 300 W of decode: half of each is 500 J."""
    found = sums([(1, 0, 700), (0, 1, 300), (0.5, 0.5, 500)])
    assert fitted(found, [1, 1, 1]) == pytest.approx([700, 300])


def test_increments_inside_a_phase_count_as_measured_whatever_the_resample_says() -> None:
    """Three pure increments of 600, 700 and 800 J: their mean is 700 W, even if only the first was drawn."""
    found = sums([(1, 0, 600), (1, 0, 700), (1, 0, 800), (0, 1, 300)])
    assert fitted(found, [3, 0, 0, 1]) == pytest.approx([700, 300])


def test_phases_add_up_to_the_increments() -> None:
    rows = [(1, 0, 650), (0.25, 0.75, 480), (0, 1, 310), (0, 1, 290), (0.8, 0.2, 600)]
    prefill_w, decode_w = fitted(sums(rows), [1, 1, 1, 1, 1])
    assert prefill_w * 2.05 + decode_w * 2.95 == pytest.approx(650 + 480 + 310 + 290 + 600)


def test_no_power_is_negative() -> None:
    """The unconstrained answer is -100 W of decode."""
    assert fitted(sums([(1, 0, 700), (0.5, 0.5, 300)]), [1, 1])[1] >= 0


def test_the_condition_number_of_two_phases() -> None:
    """Apart: 1. Columns (1, 0) and (1, 1) / sqrt 2: eigenvalues 1 +- 1 / sqrt 2. Always together: no number at all."""
    assert sums([(1, 0, 1), (0, 1, 1)]).condition_number(0) == pytest.approx(1)
    cosine = 1 / math.sqrt(2)
    expected = math.sqrt((1 + cosine) / (1 - cosine))
    assert sums([(1, 1, 1), (0, 1, 1)]).condition_number(0) == pytest.approx(expected)
    assert 1e6 < sums([(0.5, 0.5, 1), (0.5, 0.5, 1)]).condition_number(0) <= LARGEST_CONDITION


def test_the_best_lag_is_found_between_the_grids_points() -> None:
    """A power step of 400 W halfway into an increment; designs for edges at 0.3, 0.4, 0.5, 0.6 of it; truth 0.47."""
    edges = [0.3, 0.4, 0.5, 0.6]
    designs = [np.array([[1, 0], [edge, 1 - edge], [0, 1], [1 - edge, edge], [1, 0]]) for edge in edges]
    energy_j = np.array([700, 300 + 400 * 0.47, 300, 700 - 400 * 0.47, 700.0])
    found = phase_sums([np.stack(designs)[:, :, None]], np.ones((5, 1)), energy_j[:, None])
    _, position = found.fit(np.ones((1, 5)))
    assert position[0] == pytest.approx(1.7, abs=0.1)


def test_two_phases_taken_together_are_one_of_their_sums() -> None:
    """1.5 s of prefill and 0.5 s of decode at 700 and 300 J/s: together 2 s and 1200 J, 600 W on average."""
    both = sums([(1, 0, 700), (0.5, 0.5, 500)]).combined(np.array([[1.0], [1.0]]))
    assert both.seconds[0].tolist() == [2.0]
    assert fitted(both, [1, 1]) == pytest.approx([600])


@pytest.mark.parametrize("top", [-0.3, 0.0, 0.2, 0.45])
def test_the_best_lag_lies_at_the_top_of_the_parabola(top: float) -> None:
    """Through -(x - top)^2 at -1, 0 and 1."""
    before, at, after = (np.array(-((x - top) ** 2)) for x in (-1, 0, 1))
    assert float(_vertex(before, at, after)) == pytest.approx(top)


def test_where_no_lag_is_best_none_is_moved_to() -> None:
    """Values on a line, and values that are least in the middle, have no top between them."""
    assert float(_vertex(np.array(1.0), np.array(2.0), np.array(3.0))) == 0.0
    assert float(_vertex(np.array(3.0), np.array(1.0), np.array(2.0))) == 0.0


def test_blocks_of_unlike_lengths_have_the_sums_of_their_own_increments() -> None:
    """One increment and a place of length 0, whose seconds are nobody's; and two increments."""
    seconds = np.array([[[[0.5, 0.5], [9.0, 9.0]], [[1.0, 0.0], [0.0, 2.0]]]])
    found = phase_sums([seconds], np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[500.0, 0.0], [700.0, 600.0]]))
    assert found.num_increments == 3
    assert found.total == pytest.approx(500**2 + 700**2 + 600**2 / 2)
    assert found.gram[0] == pytest.approx(np.array([[[0.25, 0.25], [0.25, 0.25]], [[1, 0], [0, 2]]]))  # 2 x 2 s / 2 s
    assert found.moment[0] == pytest.approx(np.array([[250, 250], [700, 600]]))
    assert found.seconds[0] == pytest.approx([1.5, 2.5])
