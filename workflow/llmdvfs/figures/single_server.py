"""`vllm_server_comparison.png`: prefill against decode on one deployment, each measured by itself."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llmdvfs.figures.parts.caption import INTERVALS, starts_text
from llmdvfs.figures.parts.cell import MeasuredCell, representative
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.limits import equal_tops, from_zero
from llmdvfs.figures.parts.note import NO_POWER_DATA, draw_note
from llmdvfs.figures.parts.over_time import (
    TIME_LABEL,
    device_legend,
    draw_power,
    draw_utilisation,
    has_power,
    lane_legend,
    time_limits,
)
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, PHASES, styled
from llmdvfs.figures.parts.summary_marks import draw_marks
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonGroup, ComparisonRecord

ISOLATED = ("prefill", "decode")
QUANTITIES = (
    "e2e_mean_s",
    "energy_per_request_j",
    "mean_power_w",
    "sm_clock_mean_mhz",
    "utilisation_mean_fraction",
)
"""One panel each, prefill beside decode."""


@styled
def vllm_server_comparison(record: ComparisonRecord, cells: Sequence[MeasuredCell]) -> Figure:
    """Return time, energy, power, clock and utilisation of the isolated phases, and launch 1 of each over time.

    record: the comparison of this deployment alone. cells: its cells.
    """
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 4.3))
    [above], [below] = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.05])
    isolated = {phase: representative([c for c in cells if c.run.workload.isolates == phase]) for phase in ISOLATED}
    groups = {phase: _group_of(record, own[0]) for phase, own in isolated.items() if own}
    for axes, name in zip(above.subplots(1, len(QUANTITIES)), QUANTITIES, strict=True):
        _draw_quantity(axes, name, groups)
    panels = below.subplots(1, 2)
    for axes, (phase, own) in zip(panels, isolated.items(), strict=True):
        _draw_over_time(axes, phase, own)
    equal_tops([axes for axes, own in zip(panels, isolated.values(), strict=True) if own])
    shown = [own[0] for own in isolated.values() if own]
    shades = {shade.get_label(): shade for cell in shown for shade in lane_legend(cell)[1:]}  # the first: the window
    deployments = [deployment for group in groups.values() for deployment in group.deployments]
    legend_below(
        below,
        [*shades.values(), *device_legend(panels)],
        f"Above, a dot: a server start; bars: the mean over {starts_text(deployments)}, upright {INTERVALS}. Below:"
        " every reading of one launch, shaded with its phases.",
    )
    name = cells[0].run.cell.deployment if cells else "no cell"
    set_title(figure, f"{name}: prefill alone and decode alone")
    return figure


def _group_of(record: ComparisonRecord, cell: MeasuredCell) -> ComparisonGroup:
    own = cell.run.cell
    return next(group for group in record.groups if (group.workload, group.point) == (own.workload, own.point))


def _draw_quantity(axes: Axes, name: str, groups: dict[str, ComparisonGroup]) -> None:
    metric = METRICS[name]
    axes.set_title(f"{metric.label}\n({metric.unit})")
    summaries = {phase: group.deployments[0].metrics[name] for phase, group in groups.items()}
    if all(summary.n == 0 for summary in summaries.values()):
        draw_note(axes, NO_POWER_DATA if metric.of_energy else "not read on this machine", width=12)
        return
    for x, (phase, summary) in enumerate(summaries.items()):
        draw_marks(axes, x, summary, metric.per_unit, PHASES[phase])
    axes.set_xticks(range(len(summaries)), list(summaries))
    axes.set_xlim(-0.6, len(summaries) - 0.4)
    from_zero(axes)


def _draw_over_time(axes: Axes, phase: str, launches: Sequence[MeasuredCell]) -> None:
    if not launches:
        draw_note(axes, f"no workload isolates {phase}", width=30)
        return
    cell = launches[0]
    (draw_power if has_power(cell) else draw_utilisation)(axes, cell)
    axes.set_title(f"{cell.run.cell.workload}, launch {cell.run.cell.launch}")
    axes.set_xlabel(TIME_LABEL)
    axes.set_xlim(*time_limits(cell))
