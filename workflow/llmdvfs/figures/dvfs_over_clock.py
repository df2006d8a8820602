"""Energy and latency over the core clock held, relative to stock: a row of two panels a deployment and load."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llmdvfs.figures.parts.answer_rows import answer_rows
from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.clock_series import ClockSeries, clock_series, set_ratio_axis, stock_of
from llmdvfs.figures.parts.intervals import draw_interval
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.style import BLACK, ROLES, Look, styled
from llmdvfs.figures.parts.sweep import set_clock_axis
from llmdvfs.records.answers import Answer, AnswersRecord
from llmdvfs.records.result import Estimate

ROW_HEIGHT_IN = 2.3
TIMES = {"ttft_mean": "TTFT", "tpot_mean": "TPOT", "e2e_mean": "E2E latency"}
TOGETHER = Look(BLACK, "s", ":")
INTERVAL_REACH = 1.5  # what two launches leave open would squeeze the points
HELD_FRACTION = 0.02  # a clock further below the one asked was not held


@styled
def dvfs_over_clock(record: AnswersRecord) -> Figure:
    """Return the figure: means with 95 % intervals at the clock held; a thin line leads there from the clock asked."""
    answers = [answer for answer in record.answers if clock_series(answer)]
    figure, rows = answer_rows(answers, ROW_HEIGHT_IN, _why_none(record))
    for answer, left, right in rows:
        _panel(left, answer, "energy_ratio", f"Energy per {answer.energy_per.replace('_', ' ')}")
        _panel(right, answer, "time_ratio", TIMES[answer.time_of])
        left.legend(handles=_legend(clock_series(answer)), loc="best", fontsize="x-small")
    if not rows:
        return figure
    starts = n_text(point.num_launches for answer, _, _ in rows for point in answer.points)
    legend_below(
        figure,
        [],
        f"Ratios to stock paired by launch, {starts}, with 95 % t-intervals of their logarithm; an arrow: the interval"
        " goes on. A thin line leads from the clock asked to the one held below it; open: breaks a latency limit.",
    )
    return figure


def _why_none(record: AnswersRecord) -> str:
    left_out = [flag.text for answer in record.answers for flag in answer.flags if flag.name == "not_applied"]
    return "; ".join(["no core clock was held beside stock", *record.refused, *left_out])


def _panel(axes: Axes, answer: Answer, quantity: str, label: str) -> None:
    for series in clock_series(answer):
        _draw(axes, series, quantity)
    stock = stock_of(answer)
    for clock in stock.held_sm_clock_mhz.values():
        axes.plot([clock], [1], "D", markersize=4, fillstyle="none", color=BLACK, zorder=3)
    axes.axhline(1, color=BLACK, linewidth=0.6, zorder=0)
    axes.margins(x=0.05, y=0.12)
    set_ratio_axis(axes)
    set_clock_axis(axes, 6)
    axes.set_xlabel("Core clock held (MHz)")
    axes.set_ylabel(f"{label}\n(ratio to stock)")


def _draw(axes: Axes, series: ClockSeries, quantity: str) -> None:
    look = _look(series)
    clocks, values = [], []
    for point in series.points:
        estimate: Estimate = getattr(point, quantity)
        if estimate.value is None:
            continue
        held, asked = series.held_mhz(point), series.asked_mhz(point)
        clocks.append(held)
        values.append(estimate.value)
        face = look.colour if not point.breaks_a_limit else "none"
        axes.plot(held, estimate.value, look.marker, markersize=4, color=look.colour, markerfacecolor=face)
        if estimate.low is not None and estimate.high is not None:
            ends = (estimate.low, estimate.high)
            draw_interval(axes, "y", held, ends, estimate.value, colour=look.colour, width=0.8, reach=INTERVAL_REACH)
        if held < asked * (1 - HELD_FRACTION):
            axes.plot([asked, held], [estimate.value] * 2, color=look.colour, linewidth=0.5, zorder=1)
            axes.plot([asked], [estimate.value], marker="|", color=look.colour, markersize=5)
    axes.plot(clocks, values, color=look.colour, linestyle=look.line, linewidth=0.8, zorder=1)


def _look(series: ClockSeries) -> Look:
    return ROLES.get(series.roles[0], TOGETHER) if len(series.roles) == 1 else TOGETHER


def _legend(rows: list[ClockSeries]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=_look(row).colour, marker=_look(row).marker, linestyle=_look(row).line, label=row.name)
        for row in rows
    ]
    return [*handles, Line2D([], [], color=BLACK, marker="D", fillstyle="none", linestyle="none", label="stock")]
