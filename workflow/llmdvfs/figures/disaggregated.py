"""`disaggregated_performance_analysis.png`: latency, KV transfer, and both roles' devices over the run."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.cell import MeasuredCell, representative
from llmdvfs.figures.parts.ecdf import draw_ecdf
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.limits import equal_tops
from llmdvfs.figures.parts.note import NO_POWER_DATA, draw_note
from llmdvfs.figures.parts.over_time import (
    TIME_LABEL,
    device_legend,
    draw_clock,
    draw_lanes,
    draw_power,
    draw_utilisation,
    has_power,
    lane_legend,
    roles_with_devices,
    time_limits,
)
from llmdvfs.figures.parts.style import ARCHITECTURES, DOUBLE_COLUMN_IN, styled
from llmdvfs.figures.parts.titles import launches_text, set_title

LATENCIES = {"TTFT": "ttft_s", "TBT": "tbt_s", "E2E": "e2e_s", "KV transfer": "kv_transfer_s"}


@styled
def disaggregated_performance_analysis(cells: Sequence[MeasuredCell]) -> Figure:
    """Return the latency distributions of every launch; below, the devices of the first launch over time.

    These are phases, power, utilisation and clock. cells: those of one disaggregated deployment; the workload that
    exercises both phases is shown.
    """
    launches = representative(cells)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 6.2))
    [above], [below] = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 2.4])
    _draw_latencies(above, launches)
    _draw_roles(below, launches)
    own = launches[0].run.cell
    set_title(figure, f"{own.deployment}, {own.workload}, {own.point}: {launches_text(launches)}")
    return figure


def _draw_latencies(figure: SubFigure, launches: Sequence[MeasuredCell]) -> None:
    for axes, (name, column) in zip(figure.subplots(1, len(LATENCIES)), LATENCIES.items(), strict=True):
        samples = [cell.samples_s[column] for cell in launches]
        valid = [cell.result.valid for cell in launches]
        draw_ecdf(axes, samples, ARCHITECTURES["disaggregated"], valid, f"no {name} in this workload")
        axes.set_xlabel(f"{name} (ms)")
        axes.set_title("upper bound" if name == "KV transfer" and _is_bound(launches) else "")
    figure.axes[0].set_ylabel("Share at or below")


def _is_bound(launches: Sequence[MeasuredCell]) -> bool:
    """Return whether the KV transfers are only known to take no longer than is shown."""
    return any(cell.result.transfer and cell.result.transfer.method == "upper_bound_from_stamps" for cell in launches)


def _draw_roles(figure: SubFigure, launches: Sequence[MeasuredCell]) -> None:
    """Draw one column of panels a role of the first launch, or a single one where both roles share the host's CPU."""
    cell = launches[0]
    roles = roles_with_devices(cell)
    rows: list[Callable[[Axes, MeasuredCell, str | None], None]] = [draw_utilisation, draw_clock]
    rows.insert(0, draw_power if has_power(cell) else _no_power)
    heights = [0.45, 1 if has_power(cell) else 0.3, 1, 1]
    axes = figure.subplots(len(heights), len(roles), sharex=True, squeeze=False, height_ratios=heights)
    for column, role in enumerate(roles):
        draw_lanes(axes[0, column], cell)
        for row, draw in enumerate(rows, 1):
            draw(axes[row, column], cell, role)
        axes[-1, column].set_xlabel(TIME_LABEL)
        axes[0, column].set_title(f"{f'{role} devices' if role else 'host'}, launch {cell.run.cell.launch}")
    for row in range(1, 4):
        if row > 1 or has_power(cell):
            equal_tops(list(axes[row]))
    axes[0, 0].set_xlim(*time_limits(cell))
    legend_below(
        figure,
        [*lane_legend(cell), *device_legend(axes[1:].flat)],
        f"Above, a line: the ok requests (TBT: gaps) of one launch, {n_text([len(launches)])}; grey: a gate failed."
        f" Below: every reading of launch {cell.run.cell.launch}.",
    )


def _no_power(axes: Axes, cell: MeasuredCell, role: str | None) -> None:
    draw_note(axes, NO_POWER_DATA)
