"""`cross_frequency_comparison.png`: energy and latency over core clock and batch size, a column a deployment."""

from collections import defaultdict
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llmdvfs.figures.parts.deployments import of_model, short_names
from llmdvfs.figures.parts.fold import fold_name
from llmdvfs.figures.parts.legend import legend_below
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, Look, styled
from llmdvfs.figures.parts.sweep import draw_lines, marks_of, ordered_looks, set_clock_axis
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.comparison import METRICS, Arm, ComparisonGroup, ComparisonRecord

QUANTITIES = ("energy_per_output_token_j", "tpot_mean_s", "e2e_mean_s")
MAX_DEPLOYMENTS = 6  # columns that fit beside one another
WIDE_DEPLOYMENTS = 3  # columns wide enough for five clocks on their axis
TITLE_CHARACTERS = 90  # of names side by side above the columns
ROW_IN = 1.6


@styled
def cross_frequency_comparison(record: ComparisonRecord) -> Figure:
    """Return energy per token, TPOT and E2E over locked clocks, a line a batch size; stock is a level across.

    A point that locks the roles to different clocks has no place on one clock axis and is in the summary CSV only.
    """
    lines = _lines(record)
    if not lines:
        return _without_clocks(record)
    deployments = list(lines)[:MAX_DEPLOYMENTS]
    names = short_names(record)
    looks = ordered_looks(list(dict.fromkeys(name for deployment in deployments for name in lines[deployment])))
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 0.9 + ROW_IN * len(QUANTITIES)))
    panels = figure.subplots(len(QUANTITIES), len(deployments), sharex=True, sharey="row", squeeze=False)
    for column, deployment in enumerate(deployments):
        for axes, name in zip(panels[:, column], QUANTITIES, strict=True):
            draw_lines(axes, name, lines[deployment], looks)
            _draw_stock(axes, name, record, deployment, looks)
            axes.label_outer()
        panels[0, column].set_title(fold_name(names[deployment], TITLE_CHARACTERS // len(deployments)))
        set_clock_axis(panels[-1, column], num_ticks=5 if len(deployments) <= WIDE_DEPLOYMENTS else 3)
    for axes in panels[:, 1:].flat:
        axes.set_ylabel("")
    marks = marks_of([lines[deployment] for deployment in deployments], QUANTITIES[0])
    legend_below(figure, [*(_handle(name, look) for name, look in looks.items()), *marks])
    left_out = f" (the first {MAX_DEPLOYMENTS} of {len(lines)} deployments)" if len(lines) > MAX_DEPLOYMENTS else ""
    set_title(figure, f"Deployments{of_model(record)} over locked core clocks; dotted levels: stock clocks{left_out}")
    return figure


def _handle(name: str, look: Look) -> Line2D:
    return Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.line, label=name)


def _without_clocks(record: ComparisonRecord) -> Figure:
    points = ", ".join(sorted({group.point for group in record.groups})) or "none"
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 1.2))
    draw_note(figure.subplots(), f"no locked clocks in this study (operating points: {points}): nothing to compare")
    return figure


def _lines(record: ComparisonRecord) -> dict[str, dict[str, list[tuple[float, Arm]]]]:
    """Return the points (clock, arm) by deployment and line, lines in the order of their batch sizes."""
    lines: dict[str, dict[str, list[tuple[float, Arm]]]] = defaultdict(lambda: defaultdict(list))
    for group in sorted(record.groups, key=lambda group: (group.sweep, group.batch_size or 0)):
        for arm in group.arms:
            clocks = _locked(group, arm)
            if len(set(clocks.values())) == 1:
                lines[arm.deployment][_line(group, arm)].append((next(iter(clocks.values())), arm))
    return lines


def _locked(group: ComparisonGroup, arm: Arm) -> dict[str, int]:
    """Return the clocks that the point locks on roles that the deployment has."""
    return {role: clock for role, clock in group.sm_clock_mhz.items() if role in _roles(arm)}


def _roles(arm: Arm) -> tuple[str, ...]:
    return ("prefill", "decode") if arm.architecture == "disaggregated" else ("single",)


def _line(group: ComparisonGroup, arm: Arm) -> str:
    """Name a line: its workload and batch size, and the role that is swept where not all are."""
    name = f"{group.sweep}, {group.batch_size} in flight" if group.batch_size else group.workload
    locked = _locked(group, arm)
    return name if not locked or len(locked) == len(_roles(arm)) else f"{name}, {'+'.join(locked)} only"


def _draw_stock(axes: Axes, name: str, record: ComparisonRecord, deployment: str, looks: Mapping[str, Look]) -> None:
    for group in record.groups:
        for arm in group.arms:
            look, mean = looks.get(_line(group, arm)), arm.metrics[name].mean.value
            if arm.deployment == deployment and not _locked(group, arm) and look and mean is not None:
                axes.axhline(mean * METRICS[name].per_unit, color=look.colour, linestyle=":", linewidth=0.7)
