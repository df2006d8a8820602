"""Energy over core clock and batch size, relative to stock at the same batch: a panel a deployment, phase, role."""

from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.clock_series import ClockSeries, clock_series, energy_scale, ink_on, is_chosen
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, VERMILLION, styled
from llmdvfs.records.answers import Answer, AnswersRecord

PANEL_HEIGHT_IN, ROW_HEIGHT_IN = 1.0, 0.32
COLOURS = "cividis"
SAME_MHZ = 7.5  # half of a step of the boards' clocks
WIDE_ENOUGH = 0.042  # for a number, as a share of the axis


@dataclass(frozen=True, slots=True)
class _Panel:
    """One panel: what is drawn, and for which deployment, phase and role."""

    title: str
    rows: tuple[tuple[Answer, ClockSeries], ...]
    """An answer and its points for each batch size, by rising batch size."""


@styled
def dvfs_batch_clock(record: AnswersRecord) -> Figure:
    """Return the figure: a row of fields a batch size, each at the clock held; the recommended one is framed."""
    panels = _panels(record)
    heights = [PANEL_HEIGHT_IN + ROW_HEIGHT_IN * len(panel.rows) for panel in panels] or [2.0]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, sum(heights)), layout="constrained")
    if not panels:
        draw_note(figure.add_subplot(), "core clocks were measured at one batch size only, or at none")
        return figure
    values = [value for panel in panels for _, series in panel.rows for value in _values(series)]
    scale = energy_scale(values)
    every = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, panel in zip(every, panels, strict=True):
        _draw(axes, panel, scale)
    label = "Energy (ratio to stock)"
    figure.colorbar(ScalarMappable(scale, COLOURS), ax=list(every), label=label, extend="max")
    starts = n_text(point.num_launches for panel in panels for _, series in panel.rows for point in series.points)
    legend_below(
        figure,
        [],
        f"Mean ratios to stock at the same batch, paired by launch, {starts}. A cell reaches half way to its"
        " neighbours; framed: the recommended point.",
    )
    return figure


def _panels(record: AnswersRecord) -> list[_Panel]:
    found: dict[tuple[str, str, tuple[str, ...]], list[tuple[Answer, ClockSeries]]] = {}
    for answer in record.answers:
        for series in map(_told_apart, clock_series(answer)):
            if answer.batch_size is not None and len(series.points) > 1:
                found.setdefault((answer.deployment, answer.phase, series.roles), []).append((answer, series))
    several = {key: rows for key, rows in found.items() if len({answer.batch_size for answer, _ in rows}) > 1}
    return [
        _Panel(
            f"{deployment}, {phase}" + ("" if roles == ("single",) else f": clock of {' and '.join(roles)}"),
            tuple(sorted(rows, key=lambda row: (row[0].batch_size or 0, row[0].workload))),
        )
        for (deployment, phase, roles), rows in sorted(several.items())
    ]


def _told_apart(series: ClockSeries) -> ClockSeries:
    """Return the row without points that ran at the same clock as the one before: the power limit held them there."""
    kept = [
        point
        for number, point in enumerate(series.points)
        if number == 0 or series.held_mhz(point) - series.held_mhz(series.points[number - 1]) > SAME_MHZ
    ]
    return ClockSeries(series.roles, tuple(kept))


def _values(series: ClockSeries) -> list[float]:
    return [point.energy_ratio.value for point in series.points if point.energy_ratio.value is not None]


def _draw(axes: Axes, panel: _Panel, scale: Normalize) -> None:
    borders = [border for _, series in panel.rows for edges in _edges(series) for border in edges]
    begin, end = min(borders), max(borders)
    for place, (answer, series) in enumerate(panel.rows):
        for point, (left, right) in zip(series.points, _edges(series), strict=True):
            value = point.energy_ratio.value
            if value is None:
                continue
            colour = ScalarMappable(scale, COLOURS).to_rgba(value)  # type: ignore[arg-type]
            cell = Rectangle((left, place - 0.5), right - left, 1, facecolor=colour, edgecolor="white", linewidth=0.8)
            axes.add_patch(cell)
            if is_chosen(answer, point):
                frame = Rectangle((left, place - 0.46), right - left, 0.92, fill=False, edgecolor=VERMILLION)
                frame.set(linewidth=1.4, zorder=3)
                axes.add_patch(frame)
            if right - left > WIDE_ENOUGH * (end - begin) or is_chosen(answer, point):
                place_of_text, ink = ((left + right) / 2, place), ink_on(scale, value)
                axes.annotate(
                    f"{value:.2f}", place_of_text, ha="center", va="center", fontsize=5.5, color=ink, zorder=4
                )
    axes.set_yticks(range(len(panel.rows)), [str(answer.batch_size) for answer, _ in panel.rows])
    axes.set_ylim(-0.55, len(panel.rows) - 0.45)
    axes.set_xlim(begin, end)
    axes.grid(False)
    axes.set_title(panel.title, loc="left")
    axes.set_ylabel("Requests\nin flight")
    axes.set_xlabel("Core clock held (MHz)")


def _edges(series: ClockSeries) -> list[tuple[float, float]]:
    """Return where each point's cell begins and ends: half way to its neighbours, the outer ones symmetric."""
    clocks = [series.held_mhz(point) for point in series.points]
    middles = [(low + high) / 2 for low, high in pairwise(clocks)]
    return list(pairwise([2 * clocks[0] - middles[0], *middles, 2 * clocks[-1] - middles[-1]]))
