"""A figure's legend below its panels, in as many columns as its texts leave room for."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import FigureBase

LINE_CHARACTERS = 120  # of legend text across the double column
LINE_IN = 0.16
HANDLE_CHARACTERS = 9  # room that a handle and its gaps take


def legend_below(figure: FigureBase, handles: Sequence[Any]) -> None:
    """Put the legend of labelled artists (or error-bar containers) below all panels; nothing where there are none."""
    names = [str(handle.get_label()) for handle in handles]
    if not names:
        return
    figure.legend(list(handles), names, loc="outside lower center", ncols=_columns(names))


def legend_height_in(names: Sequence[str]) -> float:
    """Return about how high [in] a legend of these names will be, for figures that make room for long ones."""
    return LINE_IN * math.ceil(len(names) / _columns(names)) if names else 0.0


def _columns(names: Sequence[str]) -> int:
    return min(max(LINE_CHARACTERS // (max(map(len, names)) + HANDLE_CHARACTERS), 1), len(names))
