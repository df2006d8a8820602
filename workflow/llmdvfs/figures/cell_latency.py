"""`latency.png` of a cell: how its TTFT, TBT and E2E latency are distributed."""

from matplotlib.figure import Figure

from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.figures.parts.ecdf import draw_ecdf, mark_percentiles, percentiles_text
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, architecture_look, styled
from llmdvfs.figures.parts.titles import cell_title, set_title


@styled
def cell_latency(cell: MeasuredCell) -> Figure:
    """Return the distributions of TTFT and E2E over ok requests and of TBT over gaps, with percentiles marked."""
    latency = cell.result.latency
    panels = {
        "TTFT": ("ttft_s", latency.ttft_s, "requests"),
        "TBT": ("tbt_s", latency.tbt_s, "gaps"),
        "E2E": ("e2e_s", latency.e2e_s, "requests"),
    }
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 2.4))
    look = architecture_look(cell.run.deployment.architecture)
    for axes, (name, (column, summary, unit)) in zip(figure.subplots(1, 3, sharey=True), panels.items(), strict=True):
        samples = cell.samples_s[column]
        draw_ecdf(axes, [samples], look, [cell.result.valid], f"no {name}: no ok request has any {unit}")
        if len(samples):
            mark_percentiles(axes, summary)
            axes.set_xlabel(f"{name} (ms)")
        axes.set_title(f"{name}, n = {len(samples)} {unit}\n{percentiles_text(summary)}")
    figure.axes[0].set_ylabel("Share at or below")
    legend_below(
        figure,
        [],
        "Share of ok requests (TBT: of gaps between tokens) scheduled in the window of one server start, n = 1;"
        " requests of one start are no replicates: no interval."
        + ("" if cell.result.valid else " Grey: a gate failed."),
    )
    set_title(figure, cell_title(cell))
    return figure
