"""A figure of the comparison: how many cells there are of each deployment."""

from collections import Counter

from matplotlib.figure import Figure

from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, styled
from llmdvfs.records.comparison import ComparisonRecord


@styled
def counts(record: ComparisonRecord) -> Figure:
    """Return one bar a deployment."""
    cells = Counter(row.cell.deployment for row in record.cells)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 2))
    figure.subplots().barh(list(cells), list(cells.values()))
    return figure
