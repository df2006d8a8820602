"""`performance_comparison.png`: every deployment side by side in time, power, energy, clock and utilisation."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llmdvfs.figures.legend import legend_below
from llmdvfs.figures.limits import from_zero, log_scale
from llmdvfs.figures.note import NO_POWER_DATA, draw_note
from llmdvfs.figures.style import DOUBLE_COLUMN_IN, INVALID, Look, architecture_look, styled
from llmdvfs.figures.summary_marks import draw_marks
from llmdvfs.figures.titles import set_title
from llmdvfs.records.comparison import METRICS, Arm, ComparisonGroup, ComparisonRecord
from llmdvfs.records.comparison_text import group_table

QUANTITIES = (
    "ttft_p50_s",
    "tpot_mean_s",
    "e2e_mean_s",
    "output_token_rate_per_s",
    "mean_power_w",
    "energy_per_output_token_j",
    "sm_clock_mean_mhz",
    "utilisation_mean_fraction",
)
MIN_LOG_SPAN = 20.0  # highest / lowest mean above which a linear axis would hide the lowest
MAX_WORKLOADS = 6  # more do not fit beside one another


@styled
def performance_comparison(record: ComparisonRecord) -> Figure:
    """Return a panel a quantity with all deployments at every workload, and a table of the first workload's numbers.

    The operating point is `stock`, or the first where there is no stock; batch sweeps are another figure's matter.
    """
    groups = _shown_groups(record)
    arms = _arms(groups)
    table_height = 0.32 + 0.17 * len(QUANTITIES)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 3.9 + table_height))
    [above], [below] = figure.subfigures(2, 1, squeeze=False, height_ratios=[3.9, table_height])
    looks = _looks(arms)
    for axes, name in zip(above.subplots(2, 4).flat, QUANTITIES, strict=True):
        _draw_quantity(axes, name, groups, looks)
    legend_below(above, _legend(looks, groups))
    _draw_table(below.subplots(), groups)
    point = groups[0].point if groups else "no result"
    set_title(figure, f"Deployments at {point}")
    return figure


def _shown_groups(record: ComparisonRecord) -> list[ComparisonGroup]:
    """Return one operating point's groups, those with the most deployments first if there are too many."""
    points = {group.point for group in record.groups}
    point = "stock" if "stock" in points else min(points, default="")
    groups = [group for group in record.groups if group.point == point]
    kept = sorted(groups, key=lambda group: -len(group.arms))[:MAX_WORKLOADS]
    return [group for group in groups if group in kept]


def _arms(groups: Sequence[ComparisonGroup]) -> list[Arm]:
    return list({arm.deployment: arm for group in groups for arm in group.arms}.values())


def _looks(arms: Sequence[Arm]) -> dict[str, Look]:
    return {arm.deployment: architecture_look(arm.architecture) for arm in arms}


def _draw_quantity(axes: Axes, name: str, groups: Sequence[ComparisonGroup], looks: dict[str, Look]) -> None:
    metric = METRICS[name]
    axes.set_title(f"{metric.label} ({metric.unit})")
    summaries = [
        (x, arm.deployment, arm.metrics[name])
        for x, group in enumerate(groups)
        for arm in group.arms
        if arm.metrics[name].n
    ]
    if not summaries:
        draw_note(axes, NO_POWER_DATA if metric.of_energy else "not measured", width=14)
        return
    width = 0.8 / len(looks)
    places = {deployment: (number + 0.5) * width - 0.4 for number, deployment in enumerate(looks)}
    for x, deployment, summary in summaries:
        draw_marks(axes, x + places[deployment], summary, metric.per_unit, looks[deployment], width)
    axes.set_xticks(range(len(groups)), [group.workload for group in groups])
    axes.tick_params(axis="x", rotation=30)
    for text in axes.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, len(groups) - 0.5)
    _choose_scale(axes, [summary.mean.value or 0.0 for _, _, summary in summaries])


def _choose_scale(axes: Axes, means: Sequence[float]) -> None:
    if min(means) > 0 and max(means) / min(means) > MIN_LOG_SPAN:
        log_scale(axes, "y", max(means) / min(means))
    else:
        from_zero(axes)


def _legend(looks: dict[str, Look], groups: Sequence[ComparisonGroup]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="-", label=name) for name, look in looks.items()
    ]
    if not all(
        launch.valid for group in groups for arm in group.arms for launch in arm.metrics[QUANTITIES[0]].by_launch
    ):
        handles.append(Line2D([], [], color=INVALID, marker="o", linestyle="", label="a gate failed"))
    return handles


def _draw_table(axes: Axes, groups: Sequence[ComparisonGroup]) -> None:
    """Write the numbers of the busiest workload that all deployments have."""
    axes.set_axis_off()
    if not groups:
        return
    header, *rows = group_table(max(groups, key=lambda group: (len(group.arms), group.batch_size or 0)), QUANTITIES)
    table = axes.table(rows, colLabels=header, loc="center", cellLoc="left", colLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.auto_set_column_width(range(len(header)))
    for cell in table.get_celld().values():
        cell.set_linewidth(0.3)
