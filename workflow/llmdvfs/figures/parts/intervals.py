"""Draws intervals that may be wider than a figure.

They widen its axes up to a factor; where they go on beyond that stands an arrow.
"""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

REACH = 2.0  # how far beyond its point, as a factor, an interval widens the axes
Along = Literal["x", "y"]
GIDS: dict[Along, str] = {"x": "interval along x", "y": "interval along y"}  # what is an interval in a figure, not data
ARROWS: dict[Along, str] = {"x": "<>", "y": "v^"}


def draw_interval(
    axes: Axes,
    along: Along,
    place: float,
    ends: tuple[float, float],
    point: float,
    *,
    colour: str,
    width: float,
    reach: float = REACH,
) -> None:
    """Draw an interval along one axis, at a place on the other; `end_intervals` cuts it off.

    ends: low and high. point: the mean that it belongs to, in the same unit. reach: factor around the mean up to which
    it widens the axes, for two starts can give intervals over decades, which would leave the means themselves no room.
    """
    data = _across(along, list(ends), place)
    # add_artist, unlike add_line, leaves the limits alone
    axes.add_artist(Line2D(*data, color=colour, linewidth=width, solid_capstyle="butt", gid=GIDS[along]))
    nearest, farthest = sorted((point / reach, point * reach))
    near = np.clip(ends, nearest, farthest).tolist()
    axes.update_datalim(np.transpose(_across(along, near, place)), updatex=along == "x", updatey=along == "y")


def end_intervals(axes: Axes) -> None:
    """Cut every interval off where the axes end, and put an arrow there; call it when the limits are final."""
    limits: dict[Along, tuple[float, float]] = {"x": axes.get_xlim(), "y": axes.get_ylim()}
    for along, gid in GIDS.items():
        begin, end = sorted(limits[along])
        for line in [line for line in axes.get_lines() if line.get_gid() == gid]:
            x, y = np.asarray(line.get_data(), dtype=float)
            values, places = (x, y) if along == "x" else (y, x)
            line.set_data(*_across(along, np.clip(values, begin, end).tolist(), places[0]))
            for goes_on, edge, arrow in zip(
                (values[0] < begin, values[1] > end), (begin, end), ARROWS[along], strict=True
            ):
                if goes_on:
                    at, colour = _across(along, [edge], places[0]), line.get_color()
                    axes.add_artist(Line2D(*at, color=colour, marker=arrow, markersize=3, linestyle="", clip_on=False))


def _across(along: Along, values: list[float], place: float) -> tuple[list[float], list[float]]:
    """Return (x, y) of values along an axis at one place of the other."""
    places = [place] * len(values)
    return (values, places) if along == "x" else (places, values)
