"""`ttft_parts.png`: where the time to the first token of a disaggregated deployment goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.deployments import short_names
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, PHASES, styled
from llmdvfs.records.comparison import CellRow, ComparisonRecord

BAR_IN, PANEL_IN = 0.16, 0.42
AROUND_IN = 0.85  # legend, label of the axis and caption
MAX_BARS = 60
FILLS: dict[str, dict[str, Any]] = {
    "queue": {"color": BLACK},
    "prefill": {"color": PHASES["prefill"].colour},
    "transfer": {"color": PHASES["transfer"].colour, "hatch": "////"},
    "first_decode": {"color": PHASES["decode"].colour, "hatch": "\\\\\\\\"},
}
OTHER: dict[str, Any] = {"facecolor": "white", "edgecolor": BLACK, "hatch": "...."}


@styled
def ttft_parts(record: ComparisonRecord) -> Figure:
    """Return a panel a workload with a bar a launch: the parts of its mean TTFT, in the order of their events."""
    known = [row for row in record.cells if any(value is not None for value in row.ttft_parts_s.values())]
    rows = known[:MAX_BARS]
    if not rows:
        figure = Figure(figsize=(DOUBLE_COLUMN_IN, 1.4))
        draw_note(figure.subplots(), "no disaggregated deployment in this study: its TTFT has no parts")
        return figure
    workloads = list(dict.fromkeys(row.cell.workload for row in rows))
    by_workload = [[row for row in rows if row.cell.workload == workload] for workload in workloads]
    heights = [PANEL_IN + BAR_IN * len(own) for own in by_workload]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, AROUND_IN + sum(heights)))
    panels = figure.subplots(len(workloads), 1, squeeze=False, height_ratios=heights)[:, 0]
    parts = list(dict.fromkeys(part for row in rows for part in row.ttft_parts_s))
    names = _row_names(rows, short_names(record))
    for axes, workload, own in zip(panels, workloads, by_workload, strict=True):
        axes.set_title(workload)
        _draw_bars(axes, own, parts)
        axes.set_yticks(range(len(own)), [names[row.cell.folder()] for row in own])
    panels[-1].set_xlabel("Mean TTFT from the send (ms)")
    starts = n_text(Counter((row.cell.deployment, row.cell.workload, row.cell.point) for row in rows).values())
    left_out = (
        f" The first {MAX_BARS} of {len(known)} launches; comparison.csv has all." if len(known) > MAX_BARS else ""
    )
    legend_below(figure, [], f"A bar: one of {starts}, the mean over its ok requests; no interval is shown.{left_out}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(parts))
    return figure


def _draw_bars(axes: Axes, rows: Sequence[CellRow], parts: Sequence[str]) -> None:
    left = [0.0] * len(rows)
    for part in parts:
        widths = [1e3 * (row.ttft_parts_s.get(part) or 0.0) for row in rows]
        fill = FILLS.get(part, OTHER)
        axes.barh(
            range(len(rows)),
            widths,
            left=left,
            height=0.75,
            label=part.replace("_", " "),
            **{"edgecolor": "white", **fill},
        )
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")


def _row_names(rows: Sequence[CellRow], names: Mapping[str, str]) -> dict[str, str]:
    """Name the bars by their cells' folders: deployment and launch, and the operating point where there are several."""
    several = len({row.cell.point for row in rows}) > 1
    return {
        row.cell.folder(): f"{names.get(row.cell.deployment, row.cell.deployment)}"
        f"{f', {row.cell.point}' if several else ''}, launch {row.cell.launch}"
        f"{'' if row.status == 'ok' else ' (gate failed)'}"
        for row in rows
    }
