"""Titles: which cells a figure shows, and whether they are valid."""

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from llmdvfs.figures.parts.cell import MeasuredCell

CHARACTERS_AN_INCH = 12


def cell_title(cell: MeasuredCell) -> str:
    """Return `deployment, workload, point, launch`, followed by the names of failed gates."""
    own = cell.run.cell
    failed = [gate.name for gate in cell.result.gates if gate.status == "failed"]
    invalid = f"  -  gate failed: {', '.join(failed)}" if failed else ""
    return f"{own.deployment}, {own.workload}, {own.point}, launch {own.launch}{invalid}"


def launches_text(cells: Sequence[MeasuredCell]) -> str:
    """Return how many launches are shown, and how many of them failed a gate."""
    invalid = sum(not cell.result.valid for cell in cells)
    text = f"{len(cells)} launch{'es' if len(cells) != 1 else ''}"
    return f"{text}, {invalid} with a failed gate" if invalid else text


def set_title(figure: Figure, text: str) -> None:
    """Put the figure's title at its upper left, in as many lines as its width asks for."""
    width = int(CHARACTERS_AN_INCH * figure.get_figwidth())
    figure.suptitle("\n".join(fill(line, width) for line in text.split("\n")), x=0.01, ha="left")
