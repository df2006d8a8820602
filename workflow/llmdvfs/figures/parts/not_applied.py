"""Draws launches in which the operating point was not applied: hollow and hatched, never at the clock asked.

Its cell ran as the GPUs were found. Beside other deployments it keeps its place; over clocks it has none, and lies in
a strip of its own at the left.
"""

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patches import Rectangle

from llmdvfs.figures.parts.note import NOT_APPLIED, NOTE_LOOK
from llmdvfs.figures.parts.style import BLACK, Look
from llmdvfs.figures.parts.summary_marks import SPREAD
from llmdvfs.records.compared import Metric
from llmdvfs.records.comparison import ComparisonRecord, DeploymentSummary, MetricSummary
from llmdvfs.records.comparison_text import label
from llmdvfs.records.point import in_words

STRIP_FRACTION = 0.16  # of a panel's width
STRIP_SHADE = "0.92"
NAME_SHADE = "0.4"
NAME_BELOW_PT = 4.0
MARK_AREA = 26.0  # points squared: wide enough for its hatching to be seen
HATCH = 12 * "/"  # dense enough to cross every small mark


def draw_beside(axes: Axes, x: float, summary: MetricSummary, per_unit: float, look: Look, width: float) -> None:
    """Draw every launch without the point at x in a slot of this width, beside those that had it."""
    values = _as_found(summary)
    offsets = np.linspace(-SPREAD, SPREAD, len(values)) * width if len(values) > 1 else np.zeros(len(values))
    _scatter(axes, x + offsets, np.array(values) * per_unit, look)


def draw_in_strip(
    axes: Axes, deployments: Sequence[DeploymentSummary], name: str, per_unit: float, looks: Sequence[Look]
) -> None:
    """Draw every launch of the deployments, each with its look, side by side in the strip that `open_strip` shades.

    Only the height of a mark is data, so only it widens the axes' limits.
    """
    places = STRIP_FRACTION * (np.arange(len(deployments)) + 0.5) / max(len(deployments), 1)
    for place, deployment, look in zip(places, deployments, looks, strict=True):
        heights = np.array(_as_found(deployment.metrics[name])) * per_unit
        if len(heights):
            data_limits = axes.dataLim.frozen()
            _scatter(axes, np.full(len(heights), place), heights, look, transform=axes.get_yaxis_transform())
            axes.dataLim.set(data_limits)
            axes.update_datalim([(0.0, height) for height in heights], updatex=False)


def open_strip(panels: Sequence[Axes]) -> None:
    """Make room at the left of panels that share their clock axis and shade it; no tick stands below it.

    Its name stands below the lowest panels, in place of a tick: inside, marks would cover it.
    """
    low, high = panels[0].get_xlim()
    ticks = [tick for tick in panels[0].get_xticks() if low <= tick <= high]
    panels[0].set_xlim(low - (high - low) * STRIP_FRACTION / (1 - STRIP_FRACTION), high)
    panels[0].set_xticks(ticks)
    for axes in panels:
        axes.add_patch(
            Rectangle((0, 0), STRIP_FRACTION, 1, transform=axes.transAxes, color=STRIP_SHADE, linewidth=0, zorder=0)
        )
        place = axes.get_subplotspec()
        if place is not None and place.is_last_row():
            axes.annotate(
                "not\napplied",
                (STRIP_FRACTION / 2, 0),
                (0, -NAME_BELOW_PT),
                xycoords=axes.transAxes,
                textcoords="offset points",
                ha="center",
                va="top",
                color=NAME_SHADE,
                fontsize="x-small",
            )


def say_not_applied(axes: Axes, metric: Metric) -> None:
    """Name the metric, and say right of the strip why the panel has no line.

    Its ticks are those of its row.
    """
    axes.set_ylabel(label(metric))
    middle = (1 + STRIP_FRACTION) / 2
    axes.text(middle, 0.5, fill(NOT_APPLIED, 16), transform=axes.transAxes, **NOTE_LOOK)


def not_applied_handle(axes: Axes, record: ComparisonRecord, points: Iterable[tuple[str, str]]) -> PathCollection:
    """Return the legend's entry, with what became of the (deployment, point) pairs that are drawn so."""
    name = f"point not applied ({states_in_words(record, points)}): ran as found"
    return axes.scatter([], [], MARK_AREA, marker="o", facecolors="none", edgecolors=BLACK, hatch=HATCH, label=name)


def states_in_words(record: ComparisonRecord, points: Iterable[tuple[str, str]]) -> str:
    """Return what became of (deployment, point) pairs that were not applied: `not permitted`, `refused, failed`."""
    asked = set(points)
    states = {row.point_state for row in record.cells if (row.cell.deployment, row.cell.point) in asked}
    return ", ".join(sorted(in_words(state) for state in states if state not in (None, "stock", "applied")))


def _as_found(summary: MetricSummary) -> list[float]:
    return [launch.value for launch in summary.by_launch if launch.value is not None and not launch.applied]


def _scatter(axes: Axes, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], look: Look, **placing: Any) -> None:
    axes.scatter(
        x,
        y,
        MARK_AREA,
        marker=look.marker,
        facecolors="none",
        edgecolors=look.colour,
        hatch=HATCH,
        linewidths=0.7,
        zorder=3,
        **placing,
    )
