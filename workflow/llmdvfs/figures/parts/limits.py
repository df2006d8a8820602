"""Sets axis limits: quantities start at zero, and panels of one quantity share their limits."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

HEADROOM = 1.1


def from_zero(axes: Axes) -> None:
    """Start the axis at zero, and leave room above the highest value, which a flat line would else hide."""
    top = axes.dataLim.y1
    axes.set_ylim(0, HEADROOM * top if top > 0 else 1.0)


def from_zero_together(panels: Sequence[Axes]) -> None:
    """Start an axis that panels share at zero and end it above the highest value of all of them.

    Panels with `sharey` have one range: what is set by the last of them alone would hide points of the others.
    """
    top = max((axes.dataLim.y1 for axes in panels if axes.has_data()), default=0.0)
    for axes in panels:
        axes.set_ylim(0, HEADROOM * top if top > 0 else 1.0)


def log_scale(axes: Axes, direction: Literal["x", "y"], span: float) -> None:
    """Make an axis logarithmic, with plain numbers on it; span: highest / lowest value."""
    axes.set_xscale("log") if direction == "x" else axes.set_yscale("log")
    axis = axes.xaxis if direction == "x" else axes.yaxis
    roomy = 60.0 if direction == "x" else 2000.0  # spans over which labels at 1, 2 and 5 of each decade do not touch
    subs = (1.0, 2.0, 5.0) if span <= roomy else (1.0, 3.0) if span <= 10 * roomy else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def equal_tops(axes: Sequence[Axes]) -> None:
    """Give panels of one quantity, drawn from zero, the same limits."""
    top = max((own.get_ylim()[1] for own in axes), default=1.0)
    for own in axes:
        own.set_ylim(0, top)
