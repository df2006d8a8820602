"""What the recommended clocks save and cost over the load: batch sizes of closed loops, rates of open loops."""

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.clock_series import spread
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, LINES, MARKERS, PHASES, styled
from llmdvfs.figures.parts.sweep import set_batch_axis
from llmdvfs.records.answers import Answer, AnswersRecord, Choice
from llmdvfs.records.result import Estimate

ROW_HEIGHT_IN = 2.6
LEAST_RANGE = 0.02  # of the vertical axis: where stock is recommended at each load, all is 0
LOADS: dict[str, str] = {"batch_size": "Requests in flight", "rate_rps": "Requests a second"}
Kind = Literal["batch_size", "rate_rps"]
Row = Sequence[tuple[float, Choice]]


@styled
def dvfs_saving_over_load(record: AnswersRecord) -> Figure:
    """Return the figure: saving and slowdown with 95 % intervals; a row a kind of load, a line a phase."""
    kinds = {kind: rows for kind in LOADS if (rows := _rows(record, kind))}
    count = max(1, len(kinds))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, count * ROW_HEIGHT_IN), layout="constrained")
    if not kinds:
        draw_note(figure.add_subplot(), "no load of several sizes has a point to take")
        return figure
    lines: dict[str, Artist] = {}
    for number, (kind, rows) in enumerate(kinds.items()):
        saving, slowdown = (figure.add_subplot(count, 2, 2 * number + side) for side in (1, 2))
        _panel(saving, kind, {name: [(x, c.saving) for x, c in row] for name, row in rows.items()}, "Energy saved")
        _panel(slowdown, kind, {name: [(x, c.slowdown) for x, c in row] for name, row in rows.items()}, "Time added")
        lines |= {name: line for line, name in zip(*saving.get_legend_handles_labels(), strict=True)}
    starts = n_text(point.num_launches for answer in record.answers for point in answer.points)
    legend_below(
        figure,
        [*lines.values()],
        f"Of the recommended points against stock, paired by launch, {starts}, with 95 % t-intervals of the log ratio.",
    )
    return figure


def _rows(record: AnswersRecord, kind: str) -> dict[str, Row]:
    """Return deployment and phase -> (load, choice that is recommended), by load; stock saves nothing and is drawn."""
    rows: dict[str, list[tuple[float, Choice]]] = {}
    for answer in record.answers:
        size, choice = getattr(answer, kind), _choice(answer)
        if size is not None and choice is not None and choice.saving.value is not None:
            rows.setdefault(f"{answer.deployment}, {answer.phase}", []).append((size, choice))
    return {name: sorted(row, key=lambda item: item[0]) for name, row in sorted(rows.items())}


def _choice(answer: Answer) -> Choice | None:
    limited = any(point.within_limits is not None for point in answer.points)
    wanted = "within_limits" if limited else "fastest_within_5_percent"
    return next((choice for choice in answer.choices if choice.rule == wanted and choice.point is not None), None)


def _panel(axes: Axes, kind: str, rows: Mapping[str, Sequence[tuple[float, Estimate]]], label: str) -> None:
    for number, (name, row) in enumerate(rows.items()):
        phase = name.rsplit(", ", 1)[1]
        colour = PHASES[phase].colour if phase in PHASES else BLACK
        marker = MARKERS[number % len(MARKERS)]
        sizes = [size for size, _ in row]
        values = [estimate.value or 0.0 for _, estimate in row]
        line = LINES[number % len(LINES)]
        axes.plot(sizes, values, color=colour, linestyle=line, marker=marker, markersize=4, linewidth=0.8, label=name)
        for size, value, (_, estimate) in zip(sizes, values, row, strict=True):
            axes.errorbar([size], [value], yerr=spread(estimate), color=colour, elinewidth=0.8)
    axes.axhline(0, color=BLACK, linewidth=0.6, zorder=0)
    axes.margins(x=0.08, y=0.12)
    low, high = axes.get_ylim()
    if high - low < LEAST_RANGE:
        axes.set_ylim((low + high - LEAST_RANGE) / 2, (low + high + LEAST_RANGE) / 2)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(LOADS[kind])
    if kind == "batch_size":
        set_batch_axis(axes, [size for row in rows.values() for size, _ in row])
    axes.set_ylabel(label)
