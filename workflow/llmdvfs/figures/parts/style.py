"""The look of every figure: colours bound to meanings, with a marker and a line style each for grey print."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from llmdvfs.figures.parts.intervals import end_intervals
from llmdvfs.records.modelled import MODELLED
from llmdvfs.records.store import whole_file

SINGLE_COLUMN_IN = 3.5
DOUBLE_COLUMN_IN = 7.2

STYLE_FILE = Path(__file__).with_name("llmdvfs.mplstyle")
for font in sorted(Path(__file__).with_name("fonts").glob("*.ttf")):
    fontManager.addfont(font)

# Okabe and Ito's palette, told apart by all common kinds of colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INVALID = "0.65"  # a gate failed: grey, never dropped


@dataclass(frozen=True, slots=True)
class Look:
    """How one meaning is drawn in every figure."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]


ARCHITECTURES: dict[str, Look] = {
    "single": Look(BLUE, "o", "-"),
    "replicated": Look(GREEN, "^", "-."),
    "tensor_parallel": Look(PURPLE, "D", (0, (5, 1, 1, 1, 1, 1))),
    "disaggregated": Look(VERMILLION, "s", "--"),
    "external": Look(BLACK, "v", ":"),
}
ROLES: dict[str, Look] = {
    "single": ARCHITECTURES["single"],
    "prefill": Look(SKY, "P", "-"),
    "decode": Look(ORANGE, "X", "--"),
}
PHASES: dict[str, Look] = {
    "prefill": ROLES["prefill"],
    "decode": ROLES["decode"],
    "transfer": Look(YELLOW, "d", ":"),
}
LINES: tuple[str | tuple[int, tuple[float, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP*Xd"
SIBLING_MARKERS = "PX*hp<>dH8"  # none of them an architecture's
SIBLING_SHADES = (-0.5, 0.45, -0.75, 0.7)  # towards black (-1) or white (1)
SIBLING_LINES: tuple[str | tuple[int, tuple[float, ...]], ...] = (":", (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (8, 2)))

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a function draw in the project's style, whatever style its caller has set, and end its intervals."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.style.context(STYLE_FILE):
            figure = draw(*args, **kwargs)
            for axes in figure.axes:
                end_intervals(axes)
            return figure

    return in_style


def architecture_look(architecture: str) -> Look:
    """Return the look of an architecture; one without a look of its own is drawn like `external`."""
    return ARCHITECTURES.get(architecture, ARCHITECTURES["external"])


def sibling_look(architecture: str, number: int, taken: Collection[str]) -> Look:
    """Return the look of an architecture's deployment `number`, counted from 0.

    After the first, it has another shade, line and marker. taken: markers of the figure's other deployments, none of
    which it gets while there is one left.
    """
    own = architecture_look(architecture)
    if number == 0 and own.marker not in taken:
        return own
    variant = max(number - 1, 0)
    free = [marker for marker in SIBLING_MARKERS if marker not in taken] or list(SIBLING_MARKERS)
    colour = _shaded(own.colour, SIBLING_SHADES[variant % len(SIBLING_SHADES)])
    return Look(colour, free[0], SIBLING_LINES[variant % len(SIBLING_LINES)])


def _shaded(colour: str, shade: float) -> str:
    end = 1.0 if shade > 0 else 0.0
    return to_hex([part + abs(shade) * (end - part) for part in to_rgb(colour)])


def save_figure(figure: Figure, png: Path, *, modelled: bool = False) -> None:
    """Write the figure as PNG and, beside it, as PDF; equal figures give equal bytes (no dates, no versions).

    modelled: whether it shows a GPU that is a formula (records/modelled.py), which it then says.
    """
    if modelled:
        mark_modelled(figure)
    with matplotlib.style.context(STYLE_FILE):
        figure.set_dpi(matplotlib.rcParams["savefig.dpi"])
        # by its canvas: Figure.savefig draws everything once before, to find the places
        with whole_file(png) as file:
            FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
        figure.set_layout_engine("none")  # the PDF keeps the places that the PNG found: they take long to find
        save_pdf(figure, png.with_suffix(".pdf"))


def mark_modelled(figure: Figure) -> None:
    """Write MODELLED across the figure, so that no part of it can be shown without the word."""
    figure.text(0.5, 0.5, MODELLED, ha="center", va="center", rotation=20, fontsize=48, color="0.5", alpha=0.3)


def save_pdf(figure: Figure, pdf: Path) -> None:
    """Write the figure as PDF with its fonts embedded; equal figures give equal bytes."""
    with matplotlib.style.context(STYLE_FILE):
        figure.set_dpi(matplotlib.rcParams["savefig.dpi"])  # of what is drawn as dots
        undated = {"CreationDate": None, "Creator": None, "Producer": None}
        with whole_file(pdf) as file:
            FigureCanvasPdf(figure).print_pdf(file, metadata=undated)
