"""Puts a figure's caption and legend below its panels, in as many columns as the texts leave room for."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import FigureBase

from llmdvfs.figures.parts.caption import caption_lines
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN

LINE_CHARACTERS = 120  # of legend text across the double column
LINE_IN = 0.16
CAPTION_SIZE = 7
HANDLE_CHARACTERS = 9  # room that a handle and its gaps take


def legend_below(figure: FigureBase, handles: Sequence[Any], caption: str, width_in: float = DOUBLE_COLUMN_IN) -> None:
    """Put the caption, and below it the legend of labelled artists (or error-bar containers), below all panels.

    They are one legend: the layout leaves room for one at each side of a figure.
    """
    names = [str(handle.get_label()) for handle in handles]
    figure.legend(
        list(handles),
        names,
        loc="outside lower left",
        ncols=_columns(names, width_in),
        title=caption_lines(caption, width_in),
        title_fontsize=CAPTION_SIZE,
        alignment="left",
        borderaxespad=0.8,
    )


def legend_height_in(names: Sequence[str]) -> float:
    """Return about how high [in] a legend of these names will be, for figures that make room for long ones."""
    return LINE_IN * math.ceil(len(names) / _columns(names))


def _columns(names: Sequence[str], width_in: float = DOUBLE_COLUMN_IN) -> int:
    widest = max(map(len, names), default=0) + HANDLE_CHARACTERS
    return max(min(int(LINE_CHARACTERS * width_in / DOUBLE_COLUMN_IN) // widest, len(names)), 1)
