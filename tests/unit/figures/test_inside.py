"""Every point of every figure lies inside its axes, whatever the study; intervals that go on say so with an arrow.

A panel of `cross_frequency_comparison` was once all but blank: panels of a row share an axis, which had the limits of
the last one. More studies of this kind: bench/figures/inside.py.
"""

import numpy as np
import pytest
from fakes.drawn import laid_out, num_arrows, num_cut_intervals, points_outside
from fakes.random_study import Shape, of_one_deployment, random_shape, random_study
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.batch_analysis import batch_analysis
from llmdvfs.figures.parts.intervals import draw_interval, end_intervals
from llmdvfs.figures.table import COMPARISON_FIGURES

FIGURES = {**COMPARISON_FIGURES, "batch_analysis": of_one_deployment(batch_analysis)}
MOST_CELLS = 100


@pytest.mark.parametrize("seed", range(3))
def test_every_point_of_a_random_study_is_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    record = random_study(rng, random_shape(rng, MOST_CELLS))
    for name, draw in FIGURES.items():
        figure = laid_out(draw(record))
        assert points_outside(figure) == [], name
        assert num_arrows(figure) == num_cut_intervals(figure), name


def test_two_launches_that_differ_tenfold_end_in_arrows() -> None:
    record = random_study(np.random.default_rng(1), Shape(3, 2, 1, 2))
    assert num_arrows(FIGURES["performance_comparison"](record)) > 0


@pytest.fixture
def axes() -> Axes:
    return Figure().subplots()


def test_an_interval_widens_its_axes_up_to_a_factor_of_two(axes: Axes) -> None:
    """A mean of 10 with an interval of 1 to 1000: the axis reaches from 5 to 20, and not to 1000."""
    axes.margins(0)
    draw_interval(axes, "y", 0.0, (1.0, 1000.0), 10.0, colour="black", width=1.0)
    axes.autoscale_view()
    assert axes.get_ylim() == (5.0, 20.0)
    end_intervals(axes)
    interval, below, above = axes.get_lines()
    assert list(interval.get_ydata()) == [5.0, 20.0]
    assert [(line.get_marker(), line.get_ydata()[0]) for line in (below, above)] == [("v", 5.0), ("^", 20.0)]


def test_an_interval_that_fits_is_left_whole(axes: Axes) -> None:
    axes.set_xlim(0, 3)
    draw_interval(axes, "x", 7.0, (1.0, 2.0), 1.5, colour="black", width=1.0)
    end_intervals(axes)
    [interval] = axes.get_lines()
    assert list(interval.get_xdata()) == [1.0, 2.0]
