"""Energy against time of every operating point, relative to stock: one panel a deployment and load."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.parts.answer_rows import MAX_ROWS, say_left_out
from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.clock_series import is_chosen, set_ratio_axis, short_name
from llmdvfs.figures.parts.intervals import Along, draw_interval
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, PHASES, VERMILLION, styled
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord
from llmdvfs.records.result import Estimate

PANELS_A_ROW = 2
PANEL_HEIGHT_IN = 2.6
LABEL_WIDTH, LABEL_HEIGHT = 0.15, 0.07  # of a panel: a name that has less room for itself is left out
INTERVAL_REACH = 1.5  # points differ by tenths: what two launches leave open would squeeze them into a corner
TIMES = {"ttft_mean": "TTFT", "tpot_mean": "TPOT", "e2e_mean": "E2E latency"}


@styled
def dvfs_energy_time(record: AnswersRecord) -> Figure:
    """Return the figure: points with 95 % intervals, the Pareto set joined, the recommended point circled."""
    answers = record.answers[: MAX_ROWS * PANELS_A_ROW]
    rows = max(1, math.ceil(len(answers) / PANELS_A_ROW))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, rows * PANEL_HEIGHT_IN), layout="constrained")
    say_left_out(figure, len(answers), len(record.answers))
    if not answers:
        draw_note(figure.add_subplot(), "no answer: " + ("; ".join(record.refused) or "no operating points"), width=90)
        return figure
    for number, answer in enumerate(answers, 1):
        _panel(figure.add_subplot(rows, PANELS_A_ROW, number), answer)
    starts = n_text(point.num_launches for answer in answers for point in answer.points)
    legend_below(
        figure,
        [],
        f"Ratios to stock paired by launch, {starts}, with 95 % t-intervals of their logarithm; an arrow: the interval"
        " goes on. Line: the Pareto set; circle: the recommended point; open: breaks a"
        " latency limit.",
    )
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
    axes.axhline(1, color=BLACK, linewidth=0.6, zorder=0)
    axes.axvline(1, color=BLACK, linewidth=0.6, zorder=0)
    axes.margins(0.15)
    set_ratio_axis(axes)
    _name_points(axes, shown, answer)
    axes.set_title(f"{answer.deployment}, {answer.workload}")
    axes.set_xlabel(f"{TIMES[answer.time_of]} (ratio to stock)")
    axes.set_ylabel(f"Energy per {answer.energy_per.replace('_', ' ')}\n(ratio to stock)")


def _point(axes: Axes, point: AnsweredPoint, colour: str) -> None:
    time, energy = _value(point.time_ratio), _value(point.energy_ratio)
    face = colour if not point.breaks_a_limit else "none"  # open: breaks a latency limit
    axes.plot(time, energy, "o", markersize=4, color=colour, markerfacecolor=face)
    _interval(axes, "x", energy, point.time_ratio, colour)
    _interval(axes, "y", time, point.energy_ratio, colour)


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


def _interval(axes: Axes, along: Along, place: float, ratio: Estimate, colour: str) -> None:
    if ratio.value is not None and ratio.low is not None and ratio.high is not None:
        ends = (ratio.low, ratio.high)
        draw_interval(axes, along, place, ends, ratio.value, colour=colour, width=0.8, reach=INTERVAL_REACH)
