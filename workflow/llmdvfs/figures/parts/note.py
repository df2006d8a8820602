"""What a panel says in place of data that there is not."""

from textwrap import fill

from matplotlib.axes import Axes

NO_POWER_DATA = "no power data on this machine"


def draw_note(axes: Axes, text: str, width: int = 60) -> None:
    """Turn the panel into a sentence: an empty frame could be taken for a zero."""
    axes.set_yticks([])
    axes.tick_params(axis="x", bottom=False, labelbottom=False)  # the ticks themselves may be shared with other panels
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.patch.set_facecolor("0.96")
    words = fill(text, width)
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="0.35", style="italic")
