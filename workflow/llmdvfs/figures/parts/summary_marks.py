"""Draws a mean over server starts: each start a dot, the mean a short line, the 95 % interval an upright bar."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from llmdvfs.figures.parts.intervals import draw_interval
from llmdvfs.figures.parts.style import BLACK, INVALID, Look
from llmdvfs.records.comparison import MetricSummary
from llmdvfs.records.result import Estimate

SPREAD = 0.16  # of the slot's width, over which the dots of the starts lie side by side
HALF_BAR = 0.3


def draw_marks(axes: Axes, x: float, summary: MetricSummary, per_unit: float, look: Look, width: float = 1.0) -> None:
    """Draw one summary at x in a slot of this width; nothing where no launch has a value at the operating point."""
    mean = summary.mean
    if mean.value is None:
        return
    launches = [launch for launch in summary.by_launch if launch.value is not None and launch.applied]
    offsets = np.linspace(-SPREAD, SPREAD, len(launches)) * width if len(launches) > 1 else [0.0]
    for offset, launch in zip(offsets, launches, strict=True):
        axes.plot(
            x + offset,
            (launch.value or 0.0) * per_unit,
            look.marker,
            color=look.colour if launch.valid else INVALID,
            markersize=4.5,
            markeredgewidth=0 if look.marker in Line2D.filled_markers else 0.9,
        )
    half = HALF_BAR * width
    axes.plot([x - half, x + half], [mean.value * per_unit] * 2, color=BLACK, linewidth=0.8, solid_capstyle="butt")
    _draw_interval(axes, x, mean, per_unit, colour=BLACK, width=0.7)


def draw_line(
    axes: Axes, x: list[float], summaries: list[MetricSummary], per_unit: float, look: Look, label: str
) -> None:
    """Draw means joined by a line with their intervals as bars, and every server start as a small dot.

    A mean is grey where a gate of any of its starts failed. Starts that did not run at the operating point are not
    drawn: their place would be at settings that they never had.
    """
    points = [(at, own) for at, own in zip(x, summaries, strict=True) if own.mean.value is not None]
    if not points:
        return
    at = [at for at, _ in points]
    means = np.array([own.mean.value for _, own in points], dtype=float) * per_unit
    style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linestyle": look.line}
    axes.errorbar(at, means, linewidth=0.9, label=label, **style)
    for where, own in points:
        _draw_interval(axes, where, own.mean, per_unit, colour=look.colour, width=0.9)
    doubtful = [number for number, (_, own) in enumerate(points) if any_gate_failed([own])]
    axes.plot([at[n] for n in doubtful], means[doubtful], look.marker, color=INVALID, zorder=3)
    for where, own in points:
        for launch in own.by_launch:
            if launch.value is not None and launch.applied:
                colour = look.colour if launch.valid else INVALID
                axes.plot(where, launch.value * per_unit, ".", color=colour, markersize=2, alpha=0.7)


def _draw_interval(axes: Axes, x: float, mean: Estimate, per_unit: float, *, colour: str, width: float) -> None:
    """Draw the interval of a mean, where there is one."""
    if mean.value is not None and mean.low is not None and mean.high is not None:
        ends = (mean.low * per_unit, mean.high * per_unit)
        draw_interval(axes, "y", x, ends, mean.value * per_unit, colour=colour, width=width)


def any_gate_failed(summaries: Iterable[MetricSummary]) -> bool:
    """Return whether a gate failed in any of the server starts."""
    return not all(launch.valid or not launch.applied for summary in summaries for launch in summary.by_launch)


def gate_failed_handle() -> Line2D:
    """Return the legend's entry for what is drawn in grey."""
    return Line2D([], [], color=INVALID, marker="o", linestyle="", label="a gate failed")
