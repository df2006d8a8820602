"""`cross_frequency_comparison.png`: energy and latency over core clock and batch size, a column a deployment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llmdvfs.figures.parts.caption import INTERVALS, starts_text
from llmdvfs.figures.parts.deployments import of_model, short_names
from llmdvfs.figures.parts.fold import fold_name
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.limits import from_zero_together
from llmdvfs.figures.parts.not_applied import (
    draw_in_strip,
    not_applied_handle,
    open_strip,
    say_not_applied,
    states_in_words,
)
from llmdvfs.figures.parts.note import NOT_APPLIED, draw_note
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, Look, styled
from llmdvfs.figures.parts.sweep import draw_lines, marks_of, ordered_looks, set_clock_axis
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonGroup, ComparisonRecord, DeploymentSummary

QUANTITIES = ("energy_per_output_token_j", "tpot_mean_s", "e2e_mean_s")
MAX_DEPLOYMENTS = 6  # columns that fit beside one another
WIDE_DEPLOYMENTS = 3  # columns wide enough for five clocks on their axis
TITLE_CHARACTERS = 90  # of names side by side above the columns
ROW_IN = 1.6
WITHOUT_LINE = Look(BLACK, "o", "")  # a point of a workload that has no line


@styled
def cross_frequency_comparison(record: ComparisonRecord) -> Figure:
    """Return energy per token, TPOT and E2E over applied core clocks: a line a batch size, stock a level line.

    Where the roles have different clocks the axis is prefill's, and the line's name says decode's. Launches in which
    the point was not applied are drawn in a strip beside the axis; the title counts the points for which that is so in
    all or some launches, and the points without a core clock.
    """
    lines, not_applied = _lines(record), _not_always_applied(record)
    if not lines:
        return _without_clocks(record)
    with_column = list(dict.fromkeys([*lines, *(deployment.id for _, deployment in not_applied)]))
    shown = with_column[:MAX_DEPLOYMENTS]
    names = short_names(record)
    looks = ordered_looks(list(dict.fromkeys(name for column in shown for name in lines.get(column, ()))))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 0.9 + ROW_IN * len(QUANTITIES)))
    panels = figure.subplots(len(QUANTITIES), len(shown), sharex=True, sharey="row", squeeze=False)
    for column, id_ in enumerate(shown):
        beside = [(group, deployment) for group, deployment in not_applied if deployment.id == id_]
        for axes, name in zip(panels[:, column], QUANTITIES, strict=True):
            if id_ in lines:
                draw_lines(axes, name, lines[id_], looks)
            else:
                say_not_applied(axes, METRICS[name])
            _draw_not_applied(axes, name, beside, looks)
            _draw_stock(axes, name, record, id_, looks)
            axes.label_outer()
        panels[0, column].set_title(fold_name(names[id_], TITLE_CHARACTERS // len(shown)))
        set_clock_axis(panels[-1, column], num_ticks=5 if len(shown) <= WIDE_DEPLOYMENTS else 3)
    for row in panels:
        from_zero_together(list(row))
    for axes in panels[:, 1:].flat:
        axes.set_ylabel("")
    marks = marks_of([lines.get(id_, {}) for id_ in shown], QUANTITIES[0])
    in_strip = [(deployment.id, group.point) for group, deployment in not_applied if deployment.id in shown]
    if in_strip:
        open_strip(list(panels.flat))
    strip = [not_applied_handle(panels[0, 0], record, in_strip)] if in_strip else []
    deployments = [own for group in record.groups for own in group.deployments if own.id in shown]
    legend_below(
        figure,
        [*(_handle(name, look) for name, look in looks.items()), *marks, *strip],
        f"Means over {starts_text(deployments)}, a small dot each, with {INTERVALS}.",
    )
    num = len(with_column)
    left_out = f" (the first {MAX_DEPLOYMENTS} of {num} deployments)" if num > MAX_DEPLOYMENTS else ""
    title = f"Deployments{of_model(record)} over locked core clocks; dotted levels: stock clocks{left_out}"
    set_title(figure, "\n".join([title, *_without_place(record)]))
    return figure


def _handle(name: str, look: Look) -> Line2D:
    return Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.line, label=name)


def _without_clocks(record: ComparisonRecord) -> Figure:
    points = ", ".join(sorted({group.point for group in record.groups})) or "none"
    why = f"no locked clocks in this study (operating points: {points})"
    never = [(deployment.id, group.point) for group, deployment in _never_applied(record)]
    if never:
        names = ", ".join(dict.fromkeys(point for _, point in never))
        why = f"{NOT_APPLIED}: {names} ({states_in_words(record, never)})"
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 1.2))
    draw_note(figure.subplots(), "; ".join([f"{why}: nothing to compare", *_without_place(record)]))
    return figure


def _never_applied(record: ComparisonRecord) -> list[tuple[ComparisonGroup, DeploymentSummary]]:
    return [
        (group, deployment)
        for group in record.groups
        for deployment in group.deployments
        if deployment.was_never_applied
    ]


def _not_always_applied(record: ComparisonRecord) -> list[tuple[ComparisonGroup, DeploymentSummary]]:
    return [
        (group, deployment)
        for group in record.groups
        for deployment in group.deployments
        if deployment.not_applied_launches
    ]


def _without_place(record: ComparisonRecord) -> list[str]:
    """Return a line that counts the points without a place on the clock axis, and says why; none where all have one."""
    asked = [
        (group, deployment) for group in record.groups if group.asks_for_something for deployment in group.deployments
    ]
    never = {(deployment.id, group.point) for group, deployment in _never_applied(record)}
    without_clock = {(deployment.id, group.point) for group, deployment in asked if not deployment.sm_clock_mhz} - never
    sometimes = {(deployment.id, group.point) for group, deployment in _not_always_applied(record)} - never
    counts = (
        (never, "not applied in any launch"),
        (sometimes, "not applied in some launches"),
        (without_clock, "without a core clock, not shown"),
    )
    told = [f"{len(points)} {'point' if len(points) == 1 else 'points'} {why}" for points, why in counts if points]
    return ["; ".join(told)] if told else []


def _lines(record: ComparisonRecord) -> dict[str, dict[str, list[tuple[float, DeploymentSummary]]]]:
    """Return the points (clock, deployment) by deployment and line, lines in the order of their batch sizes."""
    lines: dict[str, dict[str, list[tuple[float, DeploymentSummary]]]] = defaultdict(lambda: defaultdict(list))
    for group in sorted(record.groups, key=lambda group: (group.sweep, group.batch_size or 0)):
        for deployment in group.deployments:
            clocks = deployment.sm_clock_mhz
            if clocks:
                lines[deployment.id][_line(group, deployment)].append(
                    (clocks.get("prefill", max(clocks.values())), deployment)
                )
    return lines


def _roles(deployment: DeploymentSummary) -> tuple[str, ...]:
    return ("prefill", "decode") if deployment.architecture == "disaggregated" else ("single",)


def _line(group: ComparisonGroup, deployment: DeploymentSummary) -> str:
    """Name a line: workload and batch size, the role that is swept where not all are, and what else is set."""
    name = f"{group.sweep}, {group.batch_size} in flight" if group.batch_size else group.workload
    clocks = deployment.sm_clock_mhz
    if clocks and len(clocks) < len(_roles(deployment)):
        name += f", {'+'.join(clocks)} only"
    elif len(set(clocks.values())) > 1:
        name += f", decode at {clocks['decode']:g} MHz"
    if deployment.sm_clock_min_mhz:
        name += ", under a ceiling"
    held = [f"memory {mhz:g} MHz" for mhz in dict.fromkeys(deployment.memory_clock_mhz.values())]
    held += [f"limit {limit:g} W" for limit in dict.fromkeys(deployment.power_limit_w.values())]
    return ", ".join([name, *held])


def _draw_stock(axes: Axes, name: str, record: ComparisonRecord, id_: str, looks: Mapping[str, Look]) -> None:
    for group in record.groups:
        for deployment in group.deployments:
            mean, look = deployment.metrics[name].mean.value, _look_of(group, deployment, looks)
            if deployment.id == id_ and not group.asks_for_something and look and mean is not None:
                axes.axhline(mean * METRICS[name].per_unit, color=look.colour, linestyle=":", linewidth=0.7)


def _draw_not_applied(
    axes: Axes, name: str, beside: Sequence[tuple[ComparisonGroup, DeploymentSummary]], looks: Mapping[str, Look]
) -> None:
    own_looks = [_look_of(group, deployment, looks) or WITHOUT_LINE for group, deployment in beside]
    draw_in_strip(axes, [deployment for _, deployment in beside], name, METRICS[name].per_unit, own_looks)


def _look_of(group: ComparisonGroup, deployment: DeploymentSummary, looks: Mapping[str, Look]) -> Look | None:
    """Return the look of the line that a deployment without clocks of its own belongs to; None: it is not drawn."""
    line = _line(group, deployment)
    return next((look for own, look in looks.items() if own == line or own.startswith(f"{line}, ")), None)
