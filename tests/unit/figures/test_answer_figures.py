"""The figures of the answers: what was asked and what was held, what is chosen, and why a panel is empty."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.sweeps import Cell, cell, sweep
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from llmdvfs.answers.answer import answers
from llmdvfs.figures.answer_figures import ANSWER_FIGURES
from llmdvfs.figures.dvfs_batch_clock import dvfs_batch_clock
from llmdvfs.figures.dvfs_clock_map import dvfs_clock_map
from llmdvfs.figures.dvfs_energy_time import dvfs_energy_time
from llmdvfs.figures.dvfs_over_clock import dvfs_over_clock
from llmdvfs.figures.dvfs_saving_over_load import dvfs_saving_over_load
from llmdvfs.figures.parts.style import VERMILLION
from llmdvfs.records.answers import AnswersRecord

ENERGY = {1000: 0.85, 1200: 0.80, 1400: 0.81, None: 1.0}
TIME = {1000: 0.015, 1200: 0.013, 1400: 0.012, None: 0.010}


def at_batch(made: Cell, size: int) -> Cell:
    result, run = made
    identity = replace(run.cell, workload=f"decode-{size}")
    workload = replace(run.workload, id=identity.workload, arrival=replace(run.workload.arrival, concurrency=size))
    return replace(result, cell=identity), replace(run, cell=identity, workload=workload)


def two_batches() -> AnswersRecord:
    """Batch 8 takes 1400 MHz (0.81, within 5 % of 0.80), batch 64 too."""
    return answers([at_batch(each, size) for size in (8, 64) for each in sweep(ENERGY, TIME)])


def of_two_roles(prefill_mhz: float, decode_mhz: float, launch: int, energy_j: float) -> Cell:
    """Return a cell of a disaggregated deployment at these held clocks; 1980 and 1980: stock."""
    asked = {role: int(mhz) for role, mhz in (("prefill", prefill_mhz), ("decode", decode_mhz)) if mhz != 1980}
    result, run = cell(None if not asked else 1, launch, energy_j, 0.010)
    (device,) = result.energy.devices
    devices = tuple(
        replace(device, role=role, sm_clock_mhz=replace(device.sm_clock_mhz, mean=mhz))
        for role, mhz in (("prefill", prefill_mhz), ("decode", decode_mhz))
    )
    name = "-".join(["p", *map(str, asked.values()), *asked]) if asked else "stock"
    point = replace(run.point, id=name, sm_clock_mhz=asked)
    identity = replace(result.cell, point=name)
    result = replace(result, cell=identity, energy=replace(result.energy, devices=devices))
    return result, replace(run, cell=identity, point=point)


def test_a_clock_that_was_not_held_stands_where_it_ran_with_a_line_from_where_it_was_asked() -> None:
    record = answers(
        [*sweep(ENERGY, TIME), *(cell(1900, launch, 0.95, 0.0105, held_mhz=1500.0) for launch in (1, 2, 3))]
    )
    axes = dvfs_over_clock(record).axes[0]
    spans = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert [1900.0, 1500.0] in spans
    assert axes.get_xlabel() == "Core clock held (MHz)"


def test_batches_are_rows_and_the_recommended_cell_is_framed() -> None:
    (axes, _) = dvfs_batch_clock(two_batches()).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["8", "64"]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    # 1400 MHz is the last of the row: from 1300, half way to 1200, to 1500
    assert [(frame.get_x(), frame.get_x() + frame.get_width()) for frame in frames] == [(1300, 1500)] * 2


def test_one_batch_alone_is_no_map() -> None:
    (axes,) = dvfs_batch_clock(answers(sweep(ENERGY, TIME))).axes
    assert "one batch size only" in axes.texts[0].get_text()


def test_saving_stands_over_the_batch() -> None:
    """At both batches 1 - 0.81 = 19 % is saved, and 20 % of time added."""
    saving, slowdown = dvfs_saving_over_load(two_batches()).axes
    line = next(line for line in saving.lines if line.get_label() == "single_tiny, decode")
    assert list(line.get_xdata()) == [8, 64]
    assert list(line.get_ydata()) == pytest.approx([0.19, 0.19])
    added = next(line for line in slowdown.lines if line.get_label() == "single_tiny, decode")
    assert list(added.get_ydata()) == pytest.approx([0.2, 0.2])


def test_the_map_has_a_square_a_point_at_the_clocks_of_both_roles() -> None:
    cells = [
        of_two_roles(prefill, decode, launch, energy)
        for prefill, decode, energy in ((1980, 1980, 1.0), (1400, 1980, 0.95), (1980, 900, 0.85), (1400, 900, 0.80))
        for launch in (1, 2, 3)
    ]
    energy, attainment, _ = dvfs_clock_map(answers(cells)).axes
    drawn = {tuple(map(float, marks.get_offsets().data[0])): marks for marks in energy.collections}  # type: ignore[union-attr]
    assert set(drawn) == {(1980, 1980), (1400, 1980), (1980, 900), (1400, 900)}
    edges = {place: np.asarray(marks.get_edgecolor()) for place, marks in drawn.items()}
    framed = [place for place, edge in edges.items() if len(edge) and to_hex(edge[0]).upper() == VERMILLION]
    assert framed == [(1400, 900)]
    assert "the load has no limits" in " ".join(attainment.texts[0].get_text().split())


def test_names_that_would_lie_on_one_another_are_left_out() -> None:
    """Ten clocks within 1 % of one another: the recommended one and few others are named."""
    energy: dict[int | None, float] = {1200 + k: 0.8 + 0.0001 * k for k in range(10)}
    time: dict[int | None, float] = {1200 + k: 0.0130 - 0.00001 * k for k in range(10)}
    (axes,) = dvfs_energy_time(answers(sweep({**energy, None: 1.0}, {**time, None: 0.010}))).axes
    assert {text.get_text() for text in axes.texts} == {"1209", "stock"}


@pytest.mark.parametrize("name", ["energy_time", "over_clock"])
def test_a_figure_of_many_loads_fits_a_png_and_says_what_it_leaves_out(name: str) -> None:
    """96 loads made a figure of 220 in, which no PNG of 300 dpi holds: `answer` ended with an error of the drawing."""
    record = answers(sweep(ENERGY, TIME))
    figure = ANSWER_FIGURES[name](replace(record, answers=record.answers * 96))
    assert figure.get_figheight() * 300 < 2**16
    shown = 16 if name == "energy_time" else 8
    assert len(figure.axes) == 16
    assert figure.get_suptitle() == f"The first {shown} of 96 loads; answers.csv has all of them"


def test_a_saving_of_nothing_is_a_line_at_0_percent() -> None:
    """Where stock is recommended at each load, the ticks of the axis were five times 0.00000 %."""
    even = dict.fromkeys(ENERGY, 1.0)
    record = answers([at_batch(each, size) for size in (8, 64) for each in sweep(even, TIME)])
    saving, _ = dvfs_saving_over_load(record).axes
    assert saving.get_ylim() == pytest.approx((-0.01, 0.01))


@pytest.mark.parametrize("name", ANSWER_FIGURES)
def test_every_figure_says_that_there_is_no_answer(name: str) -> None:
    figure = ANSWER_FIGURES[name](answers([cell(None, 1, 1.0, 0.01)]))
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    assert any(text.get_text() for text in texts)


def test_clocks_that_were_asked_for_and_not_applied_are_named() -> None:
    """`no core clocks were measured` stood where a launch had asked for one that the driver refused."""
    cells = [cell(None, 1, 1.0, 0.01), cell(1200, 1, 0.5, 0.01, state="not_permitted")]
    (text,) = dvfs_over_clock(answers(cells)).axes[0].texts
    assert "asked for and not applied: clock-1200" in text.get_text().replace("\n", " ")
