"""Every figure of the table, on made-up studies with and without power: inside its page, and saying what is absent."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fakes.records import Toy, fake_cell, fake_study, fake_sweep
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.parts.style import BLUE, DOUBLE_COLUMN_IN, INVALID, VERMILLION
from llmdvfs.figures.table import CELL_FIGURES, COMPARISON_FIGURES, DEPLOYMENT_FIGURES
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.result import Estimate, PhaseEnergy
from llmdvfs.records.spec import DeviceRole

NO_POWER = "no power data on this machine"
TOLERANCE_IN = 0.03


def compared(cells: list[MeasuredCell]) -> ComparisonRecord:
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


@pytest.fixture(scope="module")
def studies() -> dict[str, list[MeasuredCell]]:
    return {"cpu": fake_study(gpu=False, launches=2), "gpu": fake_study(gpu=True, launches=2), "sweep": fake_sweep()}


def words(figure: Figure) -> str:
    found: Iterator[str] = (text.get_text() for text in figure.findobj(Text))
    return " ".join(" ".join(found).split())


def assert_inside_its_page(figure: Figure) -> None:
    """No label is cut off."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert width == DOUBLE_COLUMN_IN
    assert box.x0 > -TOLERANCE_IN
    assert box.y0 > -TOLERANCE_IN
    assert box.x1 < width + TOLERANCE_IN
    assert box.y1 < height + TOLERANCE_IN


@pytest.mark.parametrize("name", COMPARISON_FIGURES)
@pytest.mark.parametrize("study", ["cpu", "gpu"])
def test_comparison_figures(name: str, study: str, studies: dict[str, list[MeasuredCell]]) -> None:
    assert_inside_its_page(COMPARISON_FIGURES[name](compared(studies[study])))


def test_figures_of_a_sweep(studies: dict[str, list[MeasuredCell]]) -> None:
    record = compared(studies["sweep"])
    assert_inside_its_page(COMPARISON_FIGURES["cross_frequency_comparison"](record))
    assert_inside_its_page(DEPLOYMENT_FIGURES["batch_analysis"](record, studies["sweep"]))


def test_a_point_of_a_sweep_is_grey_where_a_gate_failed() -> None:
    """The dots of the starts, which are grey too, lie below the mark of their mean."""
    cells = [
        fake_cell(Toy("single", "concurrent", launch, True, None, batch, duration_s=1.0, gate_fails=launch == batch))
        for batch in (1, 2, 4)
        for launch in (1, 2)
    ]
    figure = DEPLOYMENT_FIGURES["batch_analysis"](compared(cells), cells)
    assert "a gate failed" in words(figure)
    for axes in figure.axes:
        (grey,) = [line for line in axes.lines if line.get_color() == INVALID and line.get_marker() == "o"]
        assert list(grey.get_xdata()) == [1, 2]


@pytest.mark.parametrize("name", DEPLOYMENT_FIGURES)
@pytest.mark.parametrize("study", ["cpu", "gpu"])
def test_deployment_figures(name: str, study: str, studies: dict[str, list[MeasuredCell]]) -> None:
    architecture = "disaggregated" if name.startswith("disaggregated") else "single"
    cells = [cell for cell in studies[study] if cell.run.deployment.architecture == architecture]
    figure = DEPLOYMENT_FIGURES[name](compared(cells), cells)
    assert_inside_its_page(figure)
    assert (NO_POWER in words(figure)) == (study == "cpu")


@pytest.mark.parametrize("name", CELL_FIGURES)
@pytest.mark.parametrize("toy", [Toy("disaggregated", gpu=True), Toy("disaggregated"), Toy("single", "prefill")])
def test_cell_figures(name: str, toy: Toy) -> None:
    assert_inside_its_page(CELL_FIGURES[name](fake_cell(replace(toy, duration_s=2.0))))


def test_prefill_alone_has_no_gaps_between_tokens(studies: dict[str, list[MeasuredCell]]) -> None:
    cell = next(cell for cell in studies["cpu"] if cell.run.workload.isolates == "prefill")
    assert "no TBT: no ok request has any gaps" in words(CELL_FIGURES["latency"](cell))


def test_every_server_start_is_a_dot_and_power_is_the_deployments_sum(studies: dict[str, list[MeasuredCell]]) -> None:
    figure = COMPARISON_FIGURES["performance_comparison"](compared(studies["gpu"]))
    axes = next(axes for axes in figure.axes if axes.get_title("left").startswith("Mean power"))
    dots = {(line.get_color(), float(line.get_ydata()[0])) for line in axes.get_lines() if line.get_marker() in "os"}
    expected = {
        (VERMILLION if cell.run.deployment.architecture == "disaggregated" else BLUE, cell.result.energy.mean_power_w)
        for cell in studies["gpu"]
    }
    assert dots == expected


def told_by_phase(cell: MeasuredCell) -> MeasuredCell:
    """80 J of prefill and 300 J of decode; a disaggregated pair's GPUs used 100 and 330 J in all."""
    roles: tuple[DeviceRole, DeviceRole] = ("single", "single")
    by_role_j: dict[DeviceRole, float | None] = {"single": 430.0}
    if cell.run.deployment.architecture == "disaggregated":
        roles, by_role_j = ("prefill", "decode"), {"prefill": 100.0, "decode": 330.0}
    phases = (
        PhaseEnergy(roles[0], "prefill", 5.0, Estimate(None), Estimate(80.0)),
        PhaseEnergy(roles[1], "decode", 5.0, Estimate(None), Estimate(300.0)),
    )
    energy = replace(cell.result.energy, phases=phases, by_role_j=by_role_j)
    throughput = replace(cell.result.throughput, num_prompt_tokens=1000, num_output_tokens=100)
    return replace(cell, result=replace(cell.result, energy=energy, throughput=throughput))


def marks(figure: Figure, title: str) -> set[tuple[str, float]]:
    """Return marker and height of every server start in the panel whose title begins so."""
    [axes] = [axes for axes in figure.axes if axes.get_title("left").replace("\n", " ").startswith(title)]
    return {
        (str(line.get_marker()), round(float(line.get_ydata()[0]), 6))  # type: ignore[call-overload, index]
        for line in axes.get_lines()
        if line.get_marker() in ("o", "s", "x")
    }


def test_energy_of_the_phases_stands_beside_that_of_all_of_a_roles_gpus(studies: dict[str, list[MeasuredCell]]) -> None:
    """80 J over 1000 prompt tokens are 80 mJ, 300 J over 100 output tokens 3 J; the pair's GPUs used 100 mJ and 3.3 J.

    Only ratios of them were drawn.
    """
    figure = COMPARISON_FIGURES["performance_comparison"](compared([told_by_phase(c) for c in studies["gpu"]]))
    assert marks(figure, "Prefill energy") == {("o", 80.0), ("s", 80.0), ("x", 100.0)}
    assert marks(figure, "Decode energy") == {("o", 3000.0), ("s", 3000.0), ("x", 3300.0)}
    assert "all energy of the role's GPUs" in words(figure)
    assert_inside_its_page(figure)


def test_an_energy_that_the_counter_does_not_tell_is_not_called_unmeasured(
    studies: dict[str, list[MeasuredCell]],
) -> None:
    figure = COMPARISON_FIGURES["performance_comparison"](compared(studies["gpu"]))
    assert "energy by phase is not drawn: null in every launch: the counter does not tell it" in words(figure)
    assert NO_POWER not in words(figure)


def test_one_operating_point_is_said_to_be_one(studies: dict[str, list[MeasuredCell]]) -> None:
    figure = COMPARISON_FIGURES["cross_frequency_comparison"](compared(studies["cpu"]))
    assert "no locked clocks in this study (operating points: stock)" in words(figure)


def test_one_batch_size_is_said_to_be_one(studies: dict[str, list[MeasuredCell]]) -> None:
    cells = [cell for cell in studies["cpu"] if cell.run.deployment.architecture == "single"]
    assert "one batch size only" in words(DEPLOYMENT_FIGURES["batch_analysis"](compared(cells), cells))


def test_lines_over_clocks_join_equal_batch_sizes(studies: dict[str, list[MeasuredCell]]) -> None:
    figure = COMPARISON_FIGURES["cross_frequency_comparison"](compared(studies["sweep"]))
    axes = figure.axes[0]
    assert [container.get_label() for container in axes.containers] == [
        f"concurrent, {n} in flight" for n in (8, 32, 128)
    ]
    assert list(axes.containers[0].lines[0].get_xdata()) == [600, 1005, 1800]


@pytest.mark.parametrize("name", COMPARISON_FIGURES)
def test_a_study_without_results_still_says_so(name: str) -> None:
    figure = COMPARISON_FIGURES[name](compare([], []))
    assert words(figure)
