"""A figure's legend below its panels, in as many columns as its texts leave room for."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import FigureBase

LINE_CHARACTERS = 120  # of legend text across the double column
HANDLE_CHARACTERS = 9  # room that a handle and its gaps take


def legend_below(figure: FigureBase, handles: Sequence[Any]) -> None:
    """Put the legend of labelled artists (or error-bar containers) below all panels; nothing where there are none."""
    names = [str(handle.get_label()) for handle in handles]
    if not names:
        return
    columns = max(LINE_CHARACTERS // (max(map(len, names)) + HANDLE_CHARACTERS), 1)
    figure.legend(list(handles), names, loc="outside lower center", ncols=min(columns, len(names)))
