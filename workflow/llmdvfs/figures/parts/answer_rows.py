"""The frame of figures of answers: a row of two panels for each deployment and load."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN
from llmdvfs.records.answers import Answer

Row = tuple[Answer, Axes, Axes]


def answer_rows(answers: Sequence[Answer], row_height_in: float, none: str) -> tuple[Figure, list[Row]]:
    """Return a figure and each answer with its left and its right panel; the left one names deployment and load.

    none: what the figure says in words where there is no answer, and so no row.
    """
    num_rows = max(1, len(answers))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, num_rows * row_height_in), layout="constrained")
    if not answers:
        draw_note(figure.add_subplot(), none)
    rows = []
    for number, answer in enumerate(answers):
        left, right = (figure.add_subplot(num_rows, 2, 2 * number + side) for side in (1, 2))
        left.set_title(f"{answer.deployment}, {answer.workload}", loc="left")
        rows.append((answer, left, right))
    return figure, rows
