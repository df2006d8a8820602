"""`batch_analysis.png`: throughput, latency and energy over the number of requests in flight."""

from collections import defaultdict

from matplotlib.figure import Figure

from llmdvfs.figures.parts.caption import INTERVALS, starts_text
from llmdvfs.figures.parts.legend import legend_below, legend_height_in
from llmdvfs.figures.parts.note import draw_note
from llmdvfs.figures.parts.style import DOUBLE_COLUMN_IN, styled
from llmdvfs.figures.parts.sweep import draw_lines, marks_of, ordered_looks, set_batch_axis
from llmdvfs.figures.parts.titles import set_title
from llmdvfs.records.comparison import ComparisonRecord, DeploymentSummary

QUANTITIES = ("output_token_rate_per_s", "ttft_p50_s", "tpot_mean_s", "energy_per_output_token_j")


@styled
def batch_analysis(record: ComparisonRecord) -> Figure:
    """Return a panel a quantity over batch size; a line joins workloads that differ only in batch size.

    record: the comparison of one deployment (of several, their lines are drawn in the same panels).
    """
    lines = _lines(record)
    figure = Figure(figsize=(DOUBLE_COLUMN_IN, 4.1 + legend_height_in(list(lines)) if lines else 1.2))
    if not lines:
        draw_note(figure.subplots(), "no workload of this study has a batch size (closed loop, or equal waves)")
        return figure
    looks = ordered_looks(list(lines))
    batches = [x for points in lines.values() for x, _ in points]
    panels = figure.subplots(2, 2)
    for axes, name in zip(panels.flat, QUANTITIES, strict=True):
        draw_lines(axes, name, lines, looks)
        if axes.has_data():
            set_batch_axis(axes, batches)
    deployments = [deployment for points in lines.values() for _, deployment in points]
    legend_below(
        figure,
        [*panels[0, 0].containers, *marks_of([lines], QUANTITIES[0])],
        f"Means over {starts_text(deployments)}, a small dot each, with {INTERVALS}.",
    )
    is_sweep = any(len({x for x, _ in points}) > 1 for points in lines.values())
    names = dict.fromkeys(deployment.id for group in record.groups for deployment in group.deployments)
    set_title(
        figure,
        f"{', '.join(names)} by batch size" + ("" if is_sweep else ": one batch size only for each workload"),
    )
    return figure


def _lines(record: ComparisonRecord) -> dict[str, list[tuple[float, DeploymentSummary]]]:
    lines: dict[str, list[tuple[float, DeploymentSummary]]] = defaultdict(list)
    for group in record.groups:
        for deployment in group.deployments:
            if group.batch_size is not None:
                prefix = f"{deployment.id}, " if len(group.deployments) > 1 else ""
                lines[f"{prefix}{group.sweep}, {group.point}"].append((group.batch_size, deployment))
    return lines
