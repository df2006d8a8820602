"""The comparison's figures for a paper: single quantities at one column, whole figures at two."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from llmdvfs.figures.performance_comparison import QUANTITIES, one_quantity
from llmdvfs.figures.table import COMPARISON_FIGURES
from llmdvfs.records.comparison import ComparisonRecord


def paper_figures(record: ComparisonRecord) -> Iterator[tuple[str, Figure]]:
    """Yield names and figures: `<quantity>-3.5in` for one column, `<figure>-7.2in` for the page's width."""
    for name in QUANTITIES:
        yield f"{name}-3.5in", one_quantity(record, name)
    for name, draw in COMPARISON_FIGURES.items():
        yield f"{name}-7.2in", draw(record)
