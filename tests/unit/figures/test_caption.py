"""A figure is passed on without its page: what its marks, n and intervals are stands in the picture itself."""

import re

import pytest
from fakes.records import Toy, fake_cell, fake_study
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.table import CELL_FIGURES, COMPARISON_FIGURES, DEPLOYMENT_FIGURES


def caption(figure: Figure) -> str:
    legends = [legend for own in (figure, *figure.subfigs) for legend in own.findobj(Legend)]
    return " ".join(legend.get_title().get_text() for legend in legends).replace("\n", " ")


@pytest.mark.parametrize("name", [*(name for name in COMPARISON_FIGURES if name != "cross_frequency_comparison")])
def test_figures_of_a_study_say_their_n(name: str) -> None:
    cells = fake_study(gpu=True, launches=2)
    record = compare([cell.result for cell in cells], [cell.run for cell in cells])
    assert "n = 2 server starts" in caption(COMPARISON_FIGURES[name](record))


@pytest.mark.parametrize("name", DEPLOYMENT_FIGURES)
def test_figures_of_a_deployment_say_their_n(name: str) -> None:
    architecture = "disaggregated" if name.startswith("disaggregated") else "single"
    cells = [cell for cell in fake_study(gpu=True, launches=2) if cell.run.deployment.architecture == architecture]
    record = compare([cell.result for cell in cells], [cell.run for cell in cells])
    assert "n = 2 server starts" in caption(DEPLOYMENT_FIGURES[name](record, cells))


@pytest.mark.parametrize("name", ["vllm_server_comparison", "disaggregated_performance_analysis"])
def test_the_lines_and_shades_of_a_deployment_have_names(name: str) -> None:
    """GPUs were black and coloured lines, and phases colours, without a word which was which."""
    architecture = "disaggregated" if name.startswith("disaggregated") else "single"
    cells = [cell for cell in fake_study(gpu=True) if cell.run.deployment.architecture == architecture]
    figure = DEPLOYMENT_FIGURES[name](compare([cell.result for cell in cells], [cell.run for cell in cells]), cells)
    named = {text.get_text() for own in figure.subfigs for legend in own.findobj(Legend) for text in legend.get_texts()}
    devices = {"gpu0 (prefill)", "gpu1 (decode)"} if architecture == "disaggregated" else {"gpu0"}
    assert named >= {"prefill", "decode"} | devices


def test_the_mark_of_the_table_has_its_meaning_beside_it() -> None:
    cells = fake_study(gpu=True, launches=2)
    record = compare([cell.result for cell in cells], [cell.run for cell in cells])
    assert "~: not significant among all ratios" in caption(COMPARISON_FIGURES["performance_comparison"](record))


@pytest.mark.parametrize("name", CELL_FIGURES)
def test_figures_of_a_cell_are_of_one_start(name: str) -> None:
    assert re.search("one server start, n = 1", caption(CELL_FIGURES[name](fake_cell(Toy(duration_s=1.0)))), re.I)


def test_n_in_words() -> None:
    assert n_text([3, 3]) == "n = 3 server starts"
    assert n_text([1]) == "n = 1 server start"
    assert n_text([2, 5, 3]) == "n = 2 to 5 server starts"
    assert n_text([]) == "n = 0 server starts"


def test_what_no_start_has_measured_does_not_widen_n() -> None:
    """A batch study, one of whose batches was not measured, said n = 0 to 2 below means that were all of 2 starts."""
    assert n_text([2, 0, 2]) == "n = 2 server starts"
