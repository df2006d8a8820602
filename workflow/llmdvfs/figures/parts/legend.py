"""A figure's caption and legend below its panels, in as many columns as its texts leave room for."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import FigureBase

from llmdvfs.figures.parts.caption import caption_lines

LINE_CHARACTERS = 120  # of legend text across the double column
LINE_IN = 0.16
CAPTION_SIZE = 7
HANDLE_CHARACTERS = 9  # room that a handle and its gaps take


def legend_below(figure: FigureBase, handles: Sequence[Any], caption: str) -> None:
    """Put the caption, and below it the legend of labelled artists (or error-bar containers), below all panels.

    They are one legend: the layout leaves room for one at each side of a figure.
    """
    names = [str(handle.get_label()) for handle in handles]
    figure.legend(
        list(handles),
        names,
        loc="outside lower left",
        ncols=_columns(names),
        title=caption_lines(caption),
        title_fontsize=CAPTION_SIZE,
        alignment="left",
        borderaxespad=0.8,
    )


def legend_height_in(names: Sequence[str]) -> float:
    """Return about how high [in] a legend of these names will be, for figures that make room for long ones."""
    return LINE_IN * math.ceil(len(names) / _columns(names))


def _columns(names: Sequence[str]) -> int:
    widest = max(map(len, names), default=0) + HANDLE_CHARACTERS
    return max(min(LINE_CHARACTERS // widest, len(names)), 1)
