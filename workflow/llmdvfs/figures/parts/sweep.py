"""Draws lines over a swept quantity (batch size or clock): their looks, and one panel."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from llmdvfs.figures.parts.fold import fold_name
from llmdvfs.figures.parts.limits import from_zero
from llmdvfs.figures.parts.note import draw_note, why_absent
from llmdvfs.figures.parts.style import LINES, MARKERS, Look
from llmdvfs.figures.parts.summary_marks import any_gate_failed, draw_line, gate_failed_handle
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import DeploymentSummary
from llmdvfs.records.comparison_text import label

MAX_TICKS = 8
LABEL_CHARACTERS = 20  # along the height of a panel

Lines = Mapping[str, Sequence[tuple[float, DeploymentSummary]]]
"""Name of the line -> its points (x, deployment there)."""


def ordered_looks(names: Sequence[str]) -> dict[str, Look]:
    """Return looks for values that have an order: from dark to light, each with its own marker and line style."""
    shades = matplotlib.colormaps["cividis"]
    last = max(len(names) - 1, 1)
    return {
        name: Look(to_hex(shades(0.85 * number / last)), MARKERS[number % len(MARKERS)], LINES[number % len(LINES)])
        for number, name in enumerate(names)
    }


def draw_lines(axes: Axes, name: str, lines: Lines, looks: Mapping[str, Look]) -> None:
    """Draw one metric of every line, or say that it is absent.

    name: of the metric. Means have their intervals, and every server start is a dot.
    """
    metric = METRICS[name]
    axes.set_ylabel(fold_name(label(metric), LABEL_CHARACTERS))
    deployments = [deployment for points in lines.values() for _, deployment in points]
    if not any(deployment.metrics[name].n for deployment in deployments):
        draw_note(axes, why_absent(metric, deployments), width=20)
        return
    for line, points in lines.items():
        ordered = sorted(points, key=lambda point: point[0])
        summaries = [deployment.metrics[name] for _, deployment in ordered]
        draw_line(axes, [x for x, _ in ordered], summaries, metric.per_unit, looks[line], line)
    from_zero(axes)


def marks_of(lines: Iterable[Lines], name: str) -> list[Line2D]:
    """Return the legend's entry for a failed gate, where any value of the metric was measured in spite of one."""
    summaries = (deployment.metrics[name] for own in lines for points in own.values() for _, deployment in points)
    return [gate_failed_handle()] if any_gate_failed(summaries) else []


def set_batch_axis(axes: Axes, batches: Sequence[float]) -> None:
    """Make the axis one of doublings, and label the batch sizes that were measured."""
    axes.set_xscale("log", base=2)
    shown = sorted(set(batches))
    axes.xaxis.set_major_locator(FixedLocator(shown[:: 1 + len(shown) // (MAX_TICKS + 1)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(min(shown) / 1.4, max(shown) * 1.4)
    axes.set_xlabel("Requests in flight")


def set_clock_axis(axes: Axes, num_ticks: int = 5) -> None:
    """Label the clock axis in MHz, with about num_ticks ticks at most."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=num_ticks, integer=True))
    axes.set_xlabel("Core clock (MHz)")
