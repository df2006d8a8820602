"""Energy against time: every point is named, and a study without an answer says why."""

import pytest
from fakes.sweeps import cell, sweep

from llmdvfs.answers.answer import answers
from llmdvfs.figures.dvfs_energy_time import dvfs_energy_time


def test_every_point_is_labelled_and_the_axes_say_what_they_are() -> None:
    record = answers(sweep({1200: 0.8, 1600: 0.9, None: 1.0}, {1200: 0.013, 1600: 0.011, None: 0.010}))
    (axes,) = dvfs_energy_time(record).axes
    assert {text.get_text() for text in axes.texts} == {"1200", "1600", "stock"}
    assert axes.get_xlabel() == "TPOT (ratio to stock)"
    assert "output token" in axes.get_ylabel()


def test_a_study_of_stock_alone_says_why_there_is_no_answer() -> None:
    figure = dvfs_energy_time(answers([cell(None, 1, 1.0, 0.01)]))
    assert "only stock was measured" in figure.axes[0].texts[0].get_text()


def test_equal_energies_are_not_spread_over_decades() -> None:
    """Where no clock saved anything, the axis went from 0.06 to 18: a logarithmic axis has no range of its own then."""
    clocks = (1200, 1600, None)
    record = answers(sweep(dict.fromkeys(clocks, 1.0), {1200: 0.013, 1600: 0.011, None: 0.010}))
    (axes,) = dvfs_energy_time(record).axes
    assert axes.get_ylim() == pytest.approx((1 / 1.1, 1.1))
