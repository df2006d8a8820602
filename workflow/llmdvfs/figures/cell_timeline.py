"""`timeline.png` of a cell: what each device did while the requests were in which phase."""

from collections.abc import Callable
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.limits import equal_tops
from llmdvfs.figures.parts.over_time import (
    MAX_LINES,
    TIME_LABEL,
    cell_lanes,
    draw_clock,
    draw_energy,
    draw_in_flight,
    draw_lanes,
    draw_power,
    draw_utilisation,
    has_power,
    lane_legend,
    roles_with_devices,
    time_limits,
)
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, styled
from llmdvfs.figures.parts.titles import cell_title, set_title

PANEL_IN, LANE_IN, NOTE_IN, MARGINS_IN = 0.95, 0.17, 0.3, 0.95

Panel = tuple[Callable[[Axes, MeasuredCell], None], float]
"""A drawing and its height [in]."""


@styled
def cell_timeline(cell: MeasuredCell) -> Figure:
    """Return the cell over time: phases, power if measured, utilisation, clock, requests in flight and energy."""
    panels = _panels(cell)
    heights = [height for _, height in panels]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, sum(heights) + MARGINS_IN))
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights)
    for own, (draw, _) in zip(axes, panels, strict=True):
        draw(own, cell)
        if len(own.get_legend_handles_labels()[0]) > 1:
            own.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    equal_tops([own for own, (draw, _) in zip(axes, panels, strict=True) if getattr(draw, "func", None) is draw_power])
    axes[-1].tick_params(axis="x", bottom=True, labelbottom=True)
    axes[-1].set_xlabel(TIME_LABEL)
    axes[-1].set_xlim(*time_limits(cell))
    axes[-1].xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    axes[0].legend(handles=lane_legend(cell), loc="center left", bbox_to_anchor=(1.0, 0.5))
    legend_below(
        figure,
        [],
        "One server start, n = 1. Black bar: the window of the cell's numbers. Shaded: phases. Lines: every reading; of"
        f" more than {MAX_LINES} GPUs of a role, their mean and, shaded, lowest and highest.{_bounds(cell)}",
    )
    set_title(figure, cell_title(cell))
    return figure


def _bounds(cell: MeasuredCell) -> str:
    """Return what each phase is bound by, in words; empty where no GPU tells."""
    words = [one.words for one in cell.result.activity if one.phase is not None and one.words is not None]
    return f" Busy: {'; '.join(words)}." if words else ""


def _panels(cell: MeasuredCell) -> list[Panel]:
    power = has_power(cell)
    roles = roles_with_devices(cell) if power else []
    return [
        (draw_lanes, LANE_IN * (len(cell_lanes(cell)) + 0.7)),
        *[(partial(draw_power, role=role), PANEL_IN) for role in roles],
        (draw_utilisation, PANEL_IN),
        (draw_clock, PANEL_IN),
        (draw_in_flight, PANEL_IN),
        (draw_energy, PANEL_IN if power else NOTE_IN),
    ]
