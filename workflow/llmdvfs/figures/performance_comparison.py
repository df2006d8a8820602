"""`performance_comparison.png`: every deployment side by side in time, power, energy, clock and utilisation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from llmdvfs.figures.parts.caption import INTERVALS, starts_text
from llmdvfs.figures.parts.deployments import deployment_looks, of_model, short_names
from llmdvfs.figures.parts.fold import fold_name
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.limits import from_zero, log_scale
from llmdvfs.figures.parts.not_applied import draw_beside, not_applied_handle
from llmdvfs.figures.parts.note import draw_note, why_absent
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, SINGLE_COLUMN_IN, Look, styled
from llmdvfs.figures.parts.summary_marks import any_gate_failed, draw_marks, gate_failed_handle
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonGroup, ComparisonRecord, MetricSummary
from llmdvfs.records.comparison_text import group_table

QUANTITIES = (
    "ttft_p50_s",
    "tpot_mean_s",
    "e2e_mean_s",
    "output_token_rate_per_s",
    "mean_power_w",
    "energy_per_output_token_j",
    "prefill_energy_per_prompt_token_j",
    "decode_energy_per_output_token_j",
    "sm_clock_mean_mhz",
    "utilisation_mean_fraction",
)
# Of these panels both are left out, and the caption says why, where no launch of any deployment has either.
PHASES = ("prefill_energy_per_prompt_token_j", "decode_energy_per_output_token_j")
# A panel of one name shows these beside it: roles have clocks of their own, which no mean may hide.
OF_ROLES = {"sm_clock_mean_mhz": ("prefill_sm_clock_mean_mhz", "decode_sm_clock_mean_mhz")}
LETTERS = "; P: prefill's GPUs, D: decode's"  # the letters are those that the roles' metrics begin with
# And these with a mark of their own: what the GPUs of the phase's role used in all, idle time included.
WHOLE_ROLES = {
    "prefill_energy_per_prompt_token_j": "prefill_role_energy_per_prompt_token_j",
    "decode_energy_per_output_token_j": "decode_role_energy_per_output_token_j",
}
WHOLE_ROLE_MARKER = "x"
MIN_LOG_SPAN = 20.0  # highest / lowest mean above which a linear axis would hide the lowest
MAX_WORKLOADS = 6  # more do not fit beside one another
SLOT_END = 0.42  # of a slot's width, from its middle
MAX_BRIEF = 2  # deployments in small panels above a table; more have wide panels and no table
PANEL_CHARACTERS = 50  # of a wide panel's title, and of workload names side by side below it
NAME_CHARACTERS = 16  # of a workload's name below a small panel, in a line
TITLE_CHARACTERS = 20  # of a small panel's title, in a line ...
TITLE_SIZE = 7.5  # ... of this size [pt]: five panels stand side by side
LEVEL_CHARACTERS = 12  # of workload names that fit side by side below a small panel
PAPER_PANEL_IN = 2.4  # height of a panel by itself, without its legend
TABLE_CHARACTERS = 112  # of a table's line across the double column
MARKS = {"~": "~: not significant among all ratios of the study", "*": "*: a gate failed"}


@styled
def performance_comparison(record: ComparisonRecord) -> Figure:
    """Return a panel a quantity, with all deployments at every workload; of one or two deployments a table too.

    The table has the numbers of the busiest workload, and is left out where it is wider than the page. The operating
    point is `stock`, or the first where there is no stock; batch sweeps are another figure's subject. A deployment
    whose point was applied in no launch is drawn hollow: it ran as its GPUs were found.
    """
    groups = _shown_groups(record)
    shown = {deployment.id for group in groups for deployment in group.deployments}
    looks = {name: look for name, look in deployment_looks(record).items() if name in shown}
    names = short_names(record)
    brief = len(shown) <= MAX_BRIEF
    table = _table(groups, names) if brief else []
    quantities, why_no_phases = _drawn_quantities(groups)
    half = len(quantities) // 2
    panels_in, table_in = 4.1 if brief else 1.64 * half, 0.32 + 0.17 * len(QUANTITIES) if table else 0.0
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, panels_in + table_in))
    above: FigureBase = figure
    if table:
        [above], [below] = figure.subfigures(2, 1, squeeze=False, height_ratios=[panels_in, table_in])
        _draw_table(below.subplots(), table)
    panels = above.subplots(2, half) if brief else above.subplots(half, 2)
    for axes, name in zip(panels.flat, quantities, strict=True):
        _draw_quantity(axes, name, groups, looks, is_small=brief)
    _name_workloads(panels, [group.workload for group in groups], upright=not brief)
    starts = starts_text(deployment for group in groups for deployment in group.deployments)
    letters = LETTERS if any(own.n for _, _, own in _summaries(OF_ROLES["sm_clock_mean_mhz"], groups)) else ""
    legend_below(
        above,
        _legend(looks, names, groups) + _not_applied(panels[0, 0], record, groups),
        f"A dot: a server start; bars: the mean over {starts}, upright {INTERVALS}{letters}{why_no_phases}."
        f"{_marks_in_words(table)}",
    )
    set_title(figure, f"Deployments{of_model(record)} at {_scope(record, groups)}")
    return figure


@styled
def one_quantity(record: ComparisonRecord, name: str) -> Figure:
    """Return one of the panels by itself, as wide as a paper's column.

    name: of the metric.
    """
    groups = _shown_groups(record)
    shown = {deployment.id for group in groups for deployment in group.deployments}
    looks = {own: look for own, look in deployment_looks(record).items() if own in shown}
    figure = Figure(figsize=(SINGLE_COLUMN_IN, PAPER_PANEL_IN + 0.16 * len(looks)))
    panel = figure.subplots(1, 1, squeeze=False)
    _draw_quantity(panel[0, 0], name, groups, looks, is_small=False)
    _name_workloads(panel, [group.workload for group in groups], upright=False)
    legend_below(
        figure,
        _legend(looks, short_names(record), groups) + _not_applied(panel[0, 0], record, groups),
        f"Means over {starts_text(x for group in groups for x in group.deployments)}, a dot each, with {INTERVALS}.",
        SINGLE_COLUMN_IN,
    )
    return figure


def _shown_groups(record: ComparisonRecord) -> list[ComparisonGroup]:
    """Return one operating point's groups, those with the most deployments first if there are too many."""
    stock = {group.point for group in record.groups if not group.asks_for_something}
    point = min(stock or {group.point for group in record.groups}, default="")
    groups = [group for group in record.groups if group.point == point]
    kept = sorted(groups, key=lambda group: -len(group.deployments))[:MAX_WORKLOADS]
    return [group for group in groups if group in kept]


def _drawn_quantities(groups: Sequence[ComparisonGroup]) -> tuple[list[str], str]:
    """Return the panels' metrics, and why those of the phases are not among them; empty where they are."""
    of_phases = [own for name in PHASES for own in (name, *_whole_role(name))]
    if not groups or any(summary.n for _, _, summary in _summaries(of_phases, groups)):
        return list(QUANTITIES), ""
    why = why_absent(METRICS[PHASES[0]], [deployment for group in groups for deployment in group.deployments])
    return [name for name in QUANTITIES if name not in PHASES], f"; energy by phase is not drawn: {why}"


def _scope(record: ComparisonRecord, shown: Sequence[ComparisonGroup]) -> str:
    """Name the operating point that is shown, and how many of its workloads are where not all are."""
    if not shown:
        return "no result"
    point = shown[0].point
    measured = sum(group.point == point for group in record.groups)
    return point if len(shown) == measured else f"{point} ({len(shown)} of {measured} workloads)"


def _draw_quantity(
    axes: Axes, name: str, groups: Sequence[ComparisonGroup], looks: Mapping[str, Look], *, is_small: bool
) -> None:
    metric = METRICS[name]
    title = fold_name(f"{metric.label} ({metric.unit})", TITLE_CHARACTERS if is_small else PANEL_CHARACTERS)
    axes.set_title(title, fontsize=TITLE_SIZE if is_small else None)
    summaries = _summaries((name, *OF_ROLES.get(name, ())), groups)
    of_roles = _summaries(_whole_role(name), groups)
    if not any(summary.n for _, _, summary in summaries + of_roles):
        draw_note(
            axes, why_absent(metric, [deployment for group in groups for deployment in group.deployments]), width=14
        )
        return
    width = 0.8 / len(looks)
    places = {deployment: (number + 0.5) * width - 0.4 for number, deployment in enumerate(looks)}
    for x, deployment, summary in summaries:
        own, look = x + places[deployment], looks[deployment]
        draw_marks(axes, own, summary, metric.per_unit, look, width)
        # Launches without the point stand at the end of the slot, clear of those that had it.
        draw_beside(axes, own + (SLOT_END * width if summary.n else 0.0), summary, metric.per_unit, look, width)
    for x, deployment, summary in of_roles:
        whole = replace(looks[deployment], marker=WHOLE_ROLE_MARKER)
        draw_marks(axes, x + places[deployment], summary, metric.per_unit, whole, width)
    _draw_letters(axes, name, groups, places, SLOT_END * width)
    _choose_scale(axes, [summary for _, _, summary in summaries + of_roles], metric.per_unit)


def _whole_role(name: str) -> tuple[str, ...]:
    return (WHOLE_ROLES[name],) if name in WHOLE_ROLES else ()


def _summaries(names: Sequence[str], groups: Sequence[ComparisonGroup]) -> list[tuple[int, str, MetricSummary]]:
    """Return what is known of these metrics: position of the workload, deployment and summary."""
    return [
        (x, deployment.id, deployment.metrics[name])
        for x, group in enumerate(groups)
        for deployment in group.deployments
        for name in names
        if any(launch.value is not None for launch in deployment.metrics[name].by_launch)
    ]


def _draw_letters(
    axes: Axes, name: str, groups: Sequence[ComparisonGroup], places: Mapping[str, float], beside: float
) -> None:
    """Write `P` and `D` beside the marks of the roles, away from each other: their values may be almost the same.

    places: of each deployment in a slot. beside: from there to the letter.
    """
    for x, group in enumerate(groups):
        for deployment in group.deployments:
            means = {
                shown[0].upper(): mean * METRICS[name].per_unit
                for shown in OF_ROLES.get(name, ())
                if (mean := deployment.metrics[shown].mean.value) is not None
            }
            for letter, mean in means.items():
                place = "bottom" if mean == max(means.values()) else "top"
                at = (x + places[deployment.id] + beside, mean)
                said = axes.annotate(letter, at, (2, 0), textcoords="offset points", fontsize=6, va=place)
                said.set_in_layout(False)


def _choose_scale(axes: Axes, summaries: Sequence[MetricSummary], per_unit: float) -> None:
    means = [summary.mean.value or 0.0 for summary in summaries if summary.n]
    values = [own.value for summary in summaries for own in summary.by_launch if own.value is not None]
    if min(means + values) <= 0 or max(means) / min(means) <= MIN_LOG_SPAN:
        from_zero(axes)
        return
    log_scale(axes, "y", max(means) / min(means))
    # An interval may reach to almost zero, or below: the axis ends below the lowest value that was measured.
    axes.set_ylim(bottom=per_unit / 1.5 * min(values))


def _name_workloads(panels: npt.NDArray[np.object_], workloads: Sequence[str], *, upright: bool) -> None:
    """Write the workloads: upright below each column of wide panels, else below every panel, slanting if need be."""
    is_level = upright or len("  ".join(workloads)) <= LEVEL_CHARACTERS
    width = PANEL_CHARACTERS // max(len(workloads), 1) if upright else NAME_CHARACTERS
    for column in panels.T:
        drawn = [axes for axes in column if axes.lines]
        for axes in drawn:
            axes.set_xticks(range(len(workloads)), [fold_name(workload, width) for workload in workloads])
            axes.set_xlim(-0.5, len(workloads) - 0.5)
            if upright:
                between = [x + 0.5 for x in range(len(workloads) - 1)]
                axes.vlines(between, 0, 1, "0.9", transform=axes.get_xaxis_transform())
                axes.tick_params(axis="x", labelbottom=axes is drawn[-1])
            if not is_level:
                for text in axes.get_xticklabels():
                    text.set(rotation=30, ha="right", rotation_mode="anchor")


def _legend(looks: Mapping[str, Look], names: Mapping[str, str], groups: Sequence[ComparisonGroup]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, linestyle="", label=names[deployment])
        for deployment, look in looks.items()
    ]
    if any(summary.n for _, _, summary in _summaries(tuple(WHOLE_ROLES.values()), groups)):
        label = "all energy of the role's GPUs"
        handles.append(Line2D([], [], color=BLACK, marker=WHOLE_ROLE_MARKER, linestyle="", label=label))
    if any_gate_failed(deployment.metrics[QUANTITIES[0]] for group in groups for deployment in group.deployments):
        handles.append(gate_failed_handle())
    return handles


def _not_applied(axes: Axes, record: ComparisonRecord, groups: Sequence[ComparisonGroup]) -> list[PathCollection]:
    """Return the legend's entry of launches without the operating point, where any had it and so they are drawn."""
    deployments = [(deployment, group.point) for group in groups for deployment in group.deployments]
    without = [(deployment.id, point) for deployment, point in deployments if deployment.not_applied_launches]
    is_drawn = without and not all(deployment.was_never_applied for deployment, _ in deployments)
    return [not_applied_handle(axes, record, without)] if is_drawn else []


def _table(groups: Sequence[ComparisonGroup], names: Mapping[str, str]) -> list[list[str]]:
    """Return the numbers of the busiest workload that all deployments have; nothing where they are too wide."""
    if not groups:
        return []
    header, *rows = group_table(
        max(groups, key=lambda group: (len(group.deployments), group.batch_size or 0)), QUANTITIES
    )
    for deployment, name in names.items():
        header = [text.replace(deployment, name) for text in header]
    # Two deployments at most: the other one's name is above its own column already.
    header = [f"ratio to {text.split(' / ')[1]}" if " / " in text else text for text in header]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return [header, *rows] if sum(widths) <= TABLE_CHARACTERS else []


def _marks_in_words(table: Sequence[Sequence[str]]) -> str:
    """Return what the marks behind the table's numbers mean; empty where it has none."""
    shown = " ".join(cell for row in table[1:] for cell in row[1:])
    told = [words for mark, words in MARKS.items() if mark in shown]
    return f" In the table, {'; '.join(told)}." if told else ""


def _draw_table(axes: Axes, rows: Sequence[Sequence[str]]) -> None:
    axes.set_axis_off()
    table = axes.table(rows[1:], colLabels=rows[0], loc="center", cellLoc="left", colLoc="left", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.auto_set_column_width(range(len(rows[0])))
    for cell in table.get_celld().values():
        cell.set_linewidth(0.3)
