"""`ratios.png`: each deployment relative to the baseline, metric by metric, with intervals (a forest plot)."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from llmdvfs.figures.parts.caption import n_text
from llmdvfs.figures.parts.deployments import deployment_looks, of_model, short_names
from llmdvfs.figures.parts.fold import fold_name
from llmdvfs.figures.parts.intervals import draw_interval
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import BLACK, DOUBLE_COLUMN_IN, INVALID, Look, styled
from llmdvfs.figures.parts.summary_marks import gate_failed_handle
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonGroup, ComparisonRecord, DeploymentPair, MetricRatio
from llmdvfs.records.comparison_text import baseline_pairs

MAX_GROUPS = 4  # workloads of a panel that leave the figure on a page
COLUMNS = 4
ROW_IN, LINE_IN = 0.09, 0.13  # of one deployment's mark; of a line of the name beside a workload
TITLE_CHARACTERS = 24  # of a line above a panel, of which four stand side by side
PANEL_IN = 0.5  # title and axis of a panel
NAME_CHARACTERS = 16
MAX_TICKS = 5


@styled
def ratios(record: ComparisonRecord) -> Figure:
    """Return a panel a metric: its ratio to the baseline at every workload, on a log scale where 1 is no difference.

    An axis ends a factor of two beyond its outermost launch; an arrow stands where an interval goes on.
    """
    compared = [group for group in record.groups if _compared(group)]
    groups = compared[:MAX_GROUPS]
    pairs = [pair for group in groups for pair in _compared(group)]
    metrics = [name for name in METRICS if any(_has(pair, name) for pair in pairs)]
    if not metrics:
        figure = Figure(figsize=(DOUBLE_COLUMN_IN, 2.1))
        draw_note(
            figure.subplots(),
            _why_nothing([pair for group in record.groups if group.pairs for pair in baseline_pairs(group)]),
        )
        return figure
    looks, names = deployment_looks(record), short_names(record)
    others = [deployment for deployment in looks if any(pair.other == deployment for pair in pairs)]
    num_rows = math.ceil(len(metrics) / COLUMNS)
    lines = max(name.count("\n") + 1 for name in _group_names(groups))
    panel_in = PANEL_IN + len(groups) * max(ROW_IN * (len(others) + 1), LINE_IN * (lines + 0.5))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 0.7 + 0.15 * math.ceil(len(others) / 3) + num_rows * panel_in))
    panels = figure.subplots(num_rows, COLUMNS, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, metrics, strict=False):
        _draw_metric(axes, name, groups, {other: looks[other] for other in others})
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    _name_groups(panels[0], groups)
    told = [own for pair in pairs for own in pair.ratios.values() if own.ratio.value is not None]
    starts = n_text(min(own.n_baseline, own.n_other) for own in told)
    legend_below(
        figure,
        _legend(pairs, {names[other]: looks[other] for other in others}),
        f"Ratios of geometric means over {starts} with 95 % intervals (moderated t), paired by launch where"
        " launches pair; small dots: launches; an arrow: the interval goes on. 1 is no difference.",
    )
    left_out = f" (the first {MAX_GROUPS} of {len(compared)})" if len(compared) > MAX_GROUPS else ""
    baselines = ", ".join(dict.fromkeys(names[pair.baseline] for pair in pairs))
    set_title(figure, f"Deployments{of_model(record)} relative to {baselines}, log scale{left_out}")
    return figure


def _compared(group: ComparisonGroup) -> list[DeploymentPair]:
    return [pair for pair in baseline_pairs(group) if not pair.differences]


def _has(pair: DeploymentPair, name: str) -> bool:
    return name in pair.ratios and pair.ratios[name].ratio.value is not None


def _why_nothing(pairs: Sequence[DeploymentPair]) -> str:
    for pair in pairs:
        if pair.differences:
            return f"{pair.other} is not compared with {pair.baseline}: {'; '.join(pair.differences)}"
    return "no two deployments share a workload and an operating point"


def _draw_metric(axes: Axes, name: str, groups: Sequence[ComparisonGroup], looks: Mapping[str, Look]) -> None:
    own = [
        (y + (list(looks).index(pair.other) + 1) / (len(looks) + 1) - 0.5, pair.ratios[name], looks[pair.other])
        for y, group in enumerate(groups)
        for pair in _compared(group)
        if _has(pair, name)
    ]
    axes.set_title(fold_name(METRICS[name].label, TITLE_CHARACTERS))
    axes.axvline(1.0, color=BLACK, linewidth=0.6)
    limits = _set_axis(axes, [ratio for _, ratio, _ in own])
    for y, ratio, look in own:
        _draw_ratio(axes, y, ratio, look)
    axes.hlines([y + 0.5 for y in range(len(groups) - 1)], *limits, "0.9", linewidth=0.5)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)


def _set_axis(axes: Axes, shown: Sequence[MetricRatio]) -> tuple[float, float]:
    """Scale the axis by doublings over all ratios, from 1/2 to 2 at least, and return its limits."""
    values = [own.ratio.value for own in shown if own.ratio.value]
    values += [launch.ratio for own in shown for launch in own.by_launch if launch.ratio > 0]
    low, high = min(math.log2(min(values)), 0.0) - 1.0, max(math.log2(max(values)), 0.0) + 1.0
    step = math.ceil((math.floor(high) - math.ceil(low)) / (MAX_TICKS - 1))
    doublings = range(step * math.ceil(low / step), math.floor(high) + 1, step)
    axes.set_xscale("log", base=2)
    axes.set_xlim(2**low, 2**high)
    axes.xaxis.set_major_locator(FixedLocator([2.0**power for power in doublings]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value >= 1 else f"1/{1 / value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    return 2**low, 2**high


def _draw_ratio(axes: Axes, y: float, metric: MetricRatio, look: Look) -> None:
    for launch in metric.by_launch:
        axes.plot(launch.ratio, y, ".", color=look.colour if launch.valid else INVALID, markersize=2.5, alpha=0.6)
    ratio, colour = metric.ratio, look.colour if metric.valid else INVALID
    if ratio.value is None:
        return
    if ratio.low is not None and ratio.high is not None:
        draw_interval(axes, "x", y, (ratio.low, ratio.high), ratio.value, colour=colour, width=1.0)
    face = "white" if metric.per_gpu else colour
    axes.plot(
        ratio.value, y, look.marker, color=colour, markerfacecolor=face, markersize=4.2, markeredgewidth=0.8, zorder=3
    )


def _name_groups(axes: Axes, groups: Sequence[ComparisonGroup]) -> None:
    """Write the workloads beside the first column."""
    axes.set_yticks(range(len(groups)), _group_names(groups))
    axes.set_ylim(len(groups) - 0.5, -0.5)


def _group_names(groups: Sequence[ComparisonGroup]) -> list[str]:
    """Return the workloads, with the operating points where there are several, in short lines."""
    several = len({group.point for group in groups}) > 1
    names = [f"{group.workload}, {group.point}" if several else group.workload for group in groups]
    return [fold_name(name, NAME_CHARACTERS) for name in names]


def _legend(pairs: Sequence[DeploymentPair], looks: Mapping[str, Look]) -> list[Line2D]:
    handles = [Line2D([], [], color=look.colour, marker=look.marker, label=name) for name, look in looks.items()]
    metrics = [metric for pair in pairs for metric in pair.ratios.values()]
    if not all(metric.valid for metric in metrics):
        handles.append(gate_failed_handle())
    if any(metric.per_gpu for metric in metrics):
        handles.append(Line2D([], [], color=BLACK, marker="o", markerfacecolor="white", linestyle="", label="per GPU"))
    return handles
