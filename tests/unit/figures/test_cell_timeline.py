from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fakes.records import Toy, fake_cell
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from llmdvfs.figures.cell_timeline import cell_timeline
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.parts.over_time import draw_power
from llmdvfs.records.result import RoleActivity


@pytest.fixture(scope="module")
def on_gpus() -> MeasuredCell:
    return fake_cell(Toy("disaggregated", gpu=True, duration_s=3.0))


@pytest.fixture(scope="module")
def on_cpu() -> MeasuredCell:
    return fake_cell(Toy("single", duration_s=3.0))


def panel(figure: Figure, label: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_ylabel().replace("\n", " ").startswith(label))


def curve(axes: Axes, label: str) -> np.ndarray:
    return next(np.asarray(line.get_ydata()) for line in axes.get_lines() if line.get_label() == label)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_energy_so_far_never_falls_and_ends_at_the_counters_difference(on_gpus: MeasuredCell) -> None:
    axes = panel(cell_timeline(on_gpus), "Energy so far")
    total = curve(axes, "sum of 2")
    assert (np.diff(total) >= 0).all()
    used = on_gpus.timeline.groupby("device_id").energy_j.agg(lambda joules: joules.iloc[-1] - joules.iloc[0])
    assert total[-1] == pytest.approx(used.sum())


def test_power_of_two_gpus_of_one_role_is_their_sum(on_gpus: MeasuredCell) -> None:
    both = replace(on_gpus, phases=replace(on_gpus.phases, device_roles={"gpu0": "single", "gpu1": "single"}))
    axes = Figure().subplots()
    draw_power(axes, both)
    by_device = on_gpus.timeline.pivot_table(index="t_s", columns="device_id", values="power_instant_w")
    np.testing.assert_allclose(curve(axes, "sum of 2"), by_device.sum(axis=1))


def test_a_device_that_serves_nobody_is_shown_and_not_summed(on_gpus: MeasuredCell) -> None:
    alone = replace(on_gpus, phases=replace(on_gpus.phases, device_roles={"gpu0": "prefill"}))
    axes = panel(cell_timeline(alone), "Energy so far")
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels == ["gpu0 (prefill)", "gpu1 (serves nobody)"]


def test_phases_are_shaded(on_gpus: MeasuredCell, on_cpu: MeasuredCell) -> None:
    for figure, label in ((cell_timeline(on_gpus), "Power, prefill"), (cell_timeline(on_cpu), "Utilisation")):
        shades = [c for c in panel(figure, label).collections if isinstance(c, PathCollection)]
        assert sum(len(path.vertices) for shade in shades for path in shade.get_paths()) > 5 * 5  # corners a bar


def test_time_is_seconds_since_the_cells_start_with_few_ticks(on_cpu: MeasuredCell) -> None:
    """The original put a tick at every second, labelled in UTC: an hour's run was a black bar."""
    hour = on_cpu.timeline.assign(t_s=np.linspace(0, 3600, len(on_cpu.timeline)))
    figure = cell_timeline(replace(on_cpu, timeline=hour))
    axes = figure.axes[-1]
    assert axes.get_xlabel() == "Time since the cell's start (s)"
    assert axes.get_xlim() == (0, 3600)
    figure.draw_without_rendering()
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert 4 <= len(labels) <= 10
    assert all(float(label) % 1 == 0 for label in labels)


def test_readings_are_drawn_as_they_were_read(on_gpus: MeasuredCell) -> None:
    """The original's lines were flat: one mean for the whole run."""
    drawn = curve(panel(cell_timeline(on_gpus), "Power, prefill"), "gpu0 (prefill)")
    read = on_gpus.timeline[on_gpus.timeline.device_id == "gpu0"].power_instant_w
    np.testing.assert_array_equal(drawn, read)


def test_both_roles_power_has_the_same_limits(on_gpus: MeasuredCell) -> None:
    figure = cell_timeline(on_gpus)
    assert panel(figure, "Power, prefill").get_ylim() == panel(figure, "Power, decode").get_ylim()


def test_without_power_data_the_figure_says_so(on_cpu: MeasuredCell, on_gpus: MeasuredCell) -> None:
    figure = cell_timeline(on_cpu)
    assert "no power data on this machine" in texts(figure)
    assert not any(axes.get_ylabel().startswith("Power") for axes in figure.axes)
    assert "no power data on this machine" not in texts(cell_timeline(on_gpus))


def test_a_failed_gate_is_named() -> None:
    title = cell_timeline(fake_cell(Toy(duration_s=1.0, gate_fails=True))).get_suptitle()
    assert title.endswith("gate failed: missed_samples")


def test_eight_gpus_are_one_line_and_a_band() -> None:
    """Eight lines of one colour in five line styles could not be told apart; a mean and its range can be read."""
    cell = fake_cell(Toy("single", gpu=True, duration_s=1.0))
    frames = [cell.timeline.assign(device_id=f"gpu{n}", power_instant_w=100.0 + n) for n in range(8)]
    devices = tuple(replace(cell.header.devices[0], device_id=f"gpu{n}") for n in range(8))
    phases = replace(cell.phases, device_roles={f"gpu{n}": "single" for n in range(8)})
    axes = Figure().subplots()
    draw_power(
        axes, replace(cell, timeline=pd.concat(frames), header=replace(cell.header, devices=devices), phases=phases)
    )
    [mean] = axes.get_lines()
    assert mean.get_label() == "gpu0 ... 7 (single)"
    assert set(mean.get_ydata()) == {103.5}
    band = next(own for own in axes.collections if isinstance(own, FillBetweenPolyCollection))
    assert (band.get_datalim(axes.transData).y0, band.get_datalim(axes.transData).y1) == (100.0, 107.0)


def test_what_each_phase_is_bound_by_stands_below_in_words(on_gpus: MeasuredCell) -> None:
    decode = RoleActivity("decode", "decode", 0.73, 0.02, 0.65, 145.0, "memory", 8.0)
    untold = RoleActivity("prefill", "prefill", None, None, None, None, None)
    whole = RoleActivity("decode", None, 0.7, 0.02, 0.6, 140.0, "memory")
    told = replace(on_gpus, result=replace(on_gpus.result, activity=(whole, decode, untold)))
    (below,) = [text for text in figure_texts(cell_timeline(told)) if "Busy" in text]
    assert "Busy: decode at batch 8: tensor 2 %, DRAM 65 %: bound by memory." in " ".join(below.split())
    assert not [text for text in figure_texts(cell_timeline(on_gpus)) if "Busy" in text]


def figure_texts(figure: Figure) -> list[str]:
    """Every text of a figure, those of its legends too."""
    return [text.get_text() for text in figure.findobj(Text)]
