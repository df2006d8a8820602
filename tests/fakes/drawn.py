"""What a finished figure shows, read off its artists: points outside their axes, and intervals that are cut off."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from llmdvfs.figures.parts.intervals import GIDS

TOLERANCE = 1e-6  # of an axis


def laid_out(figure: Figure) -> Figure:
    """Return the figure after its layout; a layout that did not work out is a warning, and so an error in tests."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return figure


def points_outside(figure: Figure) -> list[str]:
    """Return a line for each finite data point outside its axes; one that a logarithmic axis cannot show is outside."""
    return [told for axes in figure.axes for told in _outside(axes)]


def _outside(axes: Axes) -> Iterator[str]:
    for line in axes.get_lines():
        if line.get_transform() == axes.transData:
            yield from _beyond(axes, np.column_stack(np.broadcast_arrays(*np.asarray(line.get_data(), dtype=float))))
    for marks in axes.collections:
        if isinstance(marks, PathCollection):
            offsets = np.ma.filled(marks.get_offsets().astype(float), np.nan)
            if marks.get_offset_transform() == axes.transData:
                yield from _beyond(axes, offsets)
            else:  # in the strip beside the axis: only the height is data
                yield from _beyond(axes, np.column_stack([np.full(len(offsets), axes.get_xlim()[0]), offsets[:, 1]]))


def _beyond(axes: Axes, points: np.ndarray) -> Iterator[str]:
    finite = points[np.isfinite(points).all(axis=1)]
    with np.errstate(all="ignore"):
        inside = axes.transAxes.inverted().transform(axes.transData.transform(finite))
    hidden = ~np.isfinite(inside).all(axis=1) | (inside < -TOLERANCE).any(axis=1) | (inside > 1 + TOLERANCE).any(axis=1)
    for point in finite[hidden]:
        yield f"{axes.get_title('left') or axes.get_ylabel()}: {point} outside x {axes.get_xlim()}, y {axes.get_ylim()}"


def num_arrows(figure: Figure) -> int:
    return sum(line.get_marker() in ("<", ">", "v", "^") and not line.get_clip_on() for line in lines(figure))


def num_cut_intervals(figure: Figure) -> int:
    """Return how many ends of intervals lie on an edge of their axes."""
    count = 0
    for axes in figure.axes:
        for along, limits in (("x", axes.get_xlim()), ("y", axes.get_ylim())):
            own = [line for line in axes.get_lines() if line.get_gid() == GIDS[along]]
            pairs = [line.get_xdata() if along == "x" else line.get_ydata() for line in own]
            count += sum(end in limits for low, high in pairs if low < high for end in (low, high))
    return count


def lines(figure: Figure) -> list:
    return [line for axes in figure.axes for line in axes.get_lines()]
