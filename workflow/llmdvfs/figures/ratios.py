"""`ratios.png`: what each deployment does relative to the baseline, metric by metric, with intervals (forest plot)."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from llmdvfs.figures.legend import legend_below
from llmdvfs.figures.note import draw_note
from llmdvfs.figures.style import DOUBLE_COLUMN_IN, INVALID, Look, architecture_look, styled
from llmdvfs.figures.titles import set_title
from llmdvfs.records.comparison import METRICS, ArmPair, ComparisonGroup, ComparisonRecord, MetricRatio
from llmdvfs.records.comparison_text import baseline_pairs

MAX_GROUPS = 4  # columns that fit beside one another
ROW_IN = 0.2


@styled
def ratios(record: ComparisonRecord) -> Figure:
    """Return a column a workload: the ratio of every metric to the baseline's, log scale, 1 is no difference."""
    groups = [group for group in record.groups if baseline_pairs(group)][:MAX_GROUPS]
    compared = [pair for group in groups for pair in baseline_pairs(group)]
    names = [name for name in METRICS if any(_has(pair, name) for pair in compared)]
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 1.3 + ROW_IN * max(len(names), 4)))
    if not names:
        draw_note(figure.subplots(), _why_nothing(compared))
        return figure
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        _draw_group(axes, group, names)
    panels[0].set_yticks(range(len(names)), [METRICS[name].label for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    legend_below(figure, _legend(compared, record))
    set_title(figure, f"Relative to {', '.join(dict.fromkeys(pair.baseline for pair in compared))}")
    return figure


def _has(pair: ArmPair, name: str) -> bool:
    return name in pair.ratios and pair.ratios[name].ratio.value is not None


def _why_nothing(pairs: Sequence[ArmPair]) -> str:
    for pair in pairs:
        if pair.differences:
            return f"{pair.other} is not compared with {pair.baseline}: {'; '.join(pair.differences)}"
    return "no two deployments share a workload and an operating point"


def _draw_group(axes: Axes, group: ComparisonGroup, names: Sequence[str]) -> None:
    looks = {arm.deployment: architecture_look(arm.architecture) for arm in group.arms}
    pairs = [pair for pair in baseline_pairs(group) if not pair.differences]
    for number, pair in enumerate(pairs):
        shift = (number - (len(pairs) - 1) / 2) * 0.7 / max(len(pairs), 1)
        for y, name in enumerate(names):
            _draw_ratio(axes, y + shift, pair.ratios[name], looks[pair.other])
    axes.axvline(1.0, color="0.3", linewidth=0.6)
    axes.set_title(f"{group.workload}, {group.point}")
    axes.grid(True, axis="both")
    axes.tick_params(axis="y", length=0)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("Ratio (log scale)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_ratio(axes: Axes, y: float, metric: MetricRatio, look: Look) -> None:
    for launch in metric.by_launch:
        axes.plot(launch.ratio, y, ".", color=look.colour if launch.valid else INVALID, markersize=2.5, alpha=0.6)
    ratio, colour = metric.ratio, look.colour if metric.valid else INVALID
    if ratio.value is None:
        return
    if ratio.low is not None and ratio.high is not None:
        axes.plot([ratio.low, ratio.high], [y, y], color=colour, linewidth=1.2)
    face = "white" if metric.per_gpu else colour
    axes.plot(ratio.value, y, look.marker, color=colour, markerfacecolor=face, zorder=3)


def _legend(pairs: Sequence[ArmPair], record: ComparisonRecord) -> list[Line2D]:
    architectures = {arm.deployment: arm.architecture for group in record.groups for arm in group.arms}
    shown = dict.fromkeys(pair.other for pair in pairs if not pair.differences)
    looks = {name: architecture_look(architectures[name]) for name in shown}
    handles = [Line2D([], [], color=look.colour, marker=look.marker, label=name) for name, look in looks.items()]
    metrics = [metric for pair in pairs for metric in pair.ratios.values()]
    if not all(metric.valid for metric in metrics):
        handles.append(Line2D([], [], color=INVALID, marker="o", label="a gate failed"))
    if any(metric.per_gpu for metric in metrics):
        handles.append(Line2D([], [], color="0.3", marker="o", markerfacecolor="white", linestyle="", label="per GPU"))
    return handles
