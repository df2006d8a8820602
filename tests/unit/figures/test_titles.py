"""A title names a cell and its failed gates, which are many words at times: all of it stays on the page."""

import pytest
from fakes.drawn import laid_out
from matplotlib.figure import Figure

from llmdvfs.figures.parts.titles import set_title

LONG = (
    "single_qwen3-8b, decode-32, all-1005, launch 1  -  gate failed: window_length, missed_samples, clock_as_requested"
)


@pytest.mark.parametrize("width_in", [3.5, 7.2])
@pytest.mark.parametrize("text", [LONG, f"{LONG}\n2 points not applied in any launch"], ids=["one line", "two lines"])
def test_a_long_title_ends_inside_the_figure(width_in: float, text: str) -> None:
    """The names of failed gates ran off the right edge of every cell's figures."""
    figure = Figure(figsize=(width_in, 2.0), layout="constrained")
    figure.subplots()
    set_title(figure, text)
    [title] = [own for own in laid_out(figure).texts if "single" in own.get_text()]
    extent = title.get_window_extent()
    assert extent.x1 <= figure.bbox.x1
    assert title.get_text().split() == text.split()
