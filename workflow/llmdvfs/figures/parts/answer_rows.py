"""The frame of figures of answers: a row of two panels for each deployment and load."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.answers import Answer

Row = tuple[Answer, Axes, Axes]

MAX_ROWS = 8  # a PNG of 300 dpi ends at 218 in, a reader's patience before


def answer_rows(answers: Sequence[Answer], row_height_in: float, none: str) -> tuple[Figure, list[Row]]:
    """Return a figure and the first answers, each with its left and its right panel; the left one names its load.

    none: what the figure says in words where there is no answer, and so no row.
    """
    num_rows = min(max(1, len(answers)), MAX_ROWS)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, num_rows * row_height_in), layout="constrained")
    if not answers:
        draw_note(figure.add_subplot(), none)
    say_left_out(figure, num_rows, len(answers))
    rows = []
    for number, answer in enumerate(answers[:num_rows]):
        left, right = (figure.add_subplot(num_rows, 2, 2 * number + side) for side in (1, 2))
        left.set_title(f"{answer.deployment}, {answer.workload}", loc="left")
        rows.append((answer, left, right))
    return figure, rows


def say_left_out(figure: Figure, num_shown: int, num_answers: int) -> None:
    """Say in the figure's title that it does not show all loads, if so, and where the others are."""
    if num_shown < num_answers:
        set_title(figure, f"The first {num_shown} of {num_answers} loads; answers.csv has all of them")
