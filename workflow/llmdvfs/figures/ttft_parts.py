"""`ttft_parts.png`: where the time to the first token of a disaggregated deployment goes."""

from typing import Any

from matplotlib.figure import Figure

from llmdvfs.figures.note import draw_note
from llmdvfs.figures.style import DOUBLE_COLUMN_IN, PHASES, styled
from llmdvfs.records.comparison import CellRow, ComparisonRecord

BAR_IN = 0.16
FILLS: dict[str, dict[str, Any]] = {
    "queue": {"color": "0.35"},
    "prefill": {"color": PHASES["prefill"].colour},
    "transfer": {"color": PHASES["transfer"].colour, "hatch": "////"},
    "first_decode": {"color": PHASES["decode"].colour, "hatch": "\\\\\\\\"},
}
OTHER: dict[str, Any] = {"color": "0.75", "hatch": "...."}


@styled
def ttft_parts(record: ComparisonRecord) -> Figure:
    """Return one bar a launch: the parts of its mean TTFT, in the order in which a request goes through them."""
    rows = [row for row in record.cells if any(value is not None for value in row.ttft_parts_s.values())]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 0.9 + BAR_IN * max(len(rows), 3)))
    axes = figure.subplots()
    if not rows:
        draw_note(axes, "no disaggregated deployment in this study: its TTFT has no parts")
        return figure
    left = [0.0] * len(rows)
    parts = list(dict.fromkeys(part for row in rows for part in row.ttft_parts_s))
    for part in parts:
        widths = [1e3 * (row.ttft_parts_s.get(part) or 0.0) for row in rows]
        fill = FILLS.get(part, OTHER)
        axes.barh(range(len(rows)), widths, left=left, height=0.75, label=part, edgecolor="white", **fill)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(rows)), [_name(row) for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("Mean TTFT from the send (ms)")
    axes.grid(True, axis="x")
    axes.grid(False, axis="y")
    figure.legend(loc="outside upper right", ncols=len(parts))
    return figure


def _name(row: CellRow) -> str:
    mark = "" if row.status == "ok" else " (gate failed)"
    return f"{row.cell.deployment}, {row.cell.workload}, {row.cell.point}, launch {row.cell.launch}{mark}"
