"""Energy against time of every operating point, relative to stock: one panel a deployment and load."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.parts.clock_series import is_chosen, set_ratio_axis, short_name, spread
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, INVALID, PHASES, VERMILLION, styled
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord
from llmdvfs.records.result import Estimate

PANELS_A_ROW = 2
PANEL_HEIGHT_IN = 2.6
LABEL_WIDTH, LABEL_HEIGHT = 0.15, 0.07  # of a panel: a name that has less room for itself is left out
TIMES = {"ttft_mean": "TTFT", "tpot_mean": "TPOT", "e2e_mean": "E2E latency"}


@styled
def dvfs_energy_time(record: AnswersRecord) -> Figure:
    """Return the figure: points with 95 % intervals, the Pareto set joined, the recommended point circled."""
    rows = max(1, math.ceil(len(record.answers) / PANELS_A_ROW))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, rows * PANEL_HEIGHT_IN), layout="constrained")
    if not record.answers:
        figure.text(
            0.5, 0.5, "no answer: " + ("; ".join(record.refused) or "no operating points"), ha="center", wrap=True
        )
        return figure
    for number, answer in enumerate(record.answers, 1):
        _panel(figure.add_subplot(rows, PANELS_A_ROW, number), answer)
    return figure


def _panel(axes: Axes, answer: Answer) -> None:
    colour = PHASES[answer.phase].colour if answer.phase in PHASES else BLACK
    shown = [point for point in answer.points if point.energy_ratio.value is not None]
    for point in shown:
        _point(axes, point, colour)
    pareto = sorted((_value(point.time_ratio), _value(point.energy_ratio)) for point in shown if point.pareto)
    axes.plot([time for time, _ in pareto], [energy for _, energy in pareto], color=colour, linewidth=0.8, zorder=1)
    for point in shown:
        if is_chosen(answer, point):
            place = (_value(point.time_ratio), _value(point.energy_ratio))
            axes.plot(*place, "o", markersize=10, fillstyle="none", color=VERMILLION)
    axes.axhline(1, color=INVALID, linewidth=0.6, zorder=0)
    axes.axvline(1, color=INVALID, linewidth=0.6, zorder=0)
    axes.margins(0.15)
    set_ratio_axis(axes)
    _name_points(axes, shown, answer)
    axes.set_title(f"{answer.deployment}, {answer.workload}")
    axes.set_xlabel(f"{TIMES[answer.time_of]} (ratio to stock)")
    axes.set_ylabel(f"Energy per {answer.energy_per.replace('_', ' ')}\n(ratio to stock)")


def _point(axes: Axes, point: AnsweredPoint, colour: str) -> None:
    time, energy = _value(point.time_ratio), _value(point.energy_ratio)
    face = colour if not point.breaks_a_limit else "none"  # open: breaks a latency limit
    axes.errorbar(
        [time],
        [energy],
        xerr=spread(point.time_ratio),
        yerr=spread(point.energy_ratio),
        fmt="o",
        markersize=4,
        color=colour,
        markerfacecolor=face,
        elinewidth=0.8,
    )


def _name_points(axes: Axes, points: Sequence[AnsweredPoint], answer: Answer) -> None:
    """Write the points' clocks beside them, the recommended first, then stock and the Pareto set; none on another."""
    named: list[tuple[float, float]] = []
    first = sorted(
        points,
        key=lambda point: (
            not is_chosen(answer, point),
            point.point.asks_for_something,
            not point.pareto,
            _value(point.time_ratio),
        ),
    )
    for point in first:
        place = (_value(point.time_ratio), _value(point.energy_ratio))
        x, y = axes.transAxes.inverted().transform(axes.transData.transform(place))
        if not any(abs(x - a) < LABEL_WIDTH and abs(y - b) < LABEL_HEIGHT for a, b in named):
            named.append((x, y))
            axes.annotate(short_name(point), place, xytext=(4, 4), textcoords="offset points", fontsize="x-small")


def _value(estimate: Estimate) -> float:
    return math.nan if estimate.value is None else estimate.value
