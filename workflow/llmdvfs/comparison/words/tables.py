"""The comparison as blocks of a summary, to be written as text for a terminal or as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmdvfs.records.compared import FAMILY, METRICS, MIN_CLAIM_LAUNCHES, Metric
from llmdvfs.records.comparison import DECIDED, ComparisonGroup, ComparisonRecord, DeploymentSummary, MetricRatio
from llmdvfs.records.comparison_text import (
    ELSEWHERE,
    baseline_pairs,
    interval_text,
    label,
    mean_text,
    ratio_text,
    was_measured,
)
from llmdvfs.records.short_names import ShortNames

SHOWN = (
    *FAMILY,
    "prefill_role_energy_per_prompt_token_j",
    "decode_role_energy_per_output_token_j",
    "mean_power_w",
    "kv_transfer_mean_s",
    "external_kv_fraction",
    "failed_fraction",
)
BRIEF = {
    "ttft_p50_s": "TTFT p50, ms",
    "tpot_mean_s": "TPOT, ms",
    "output_token_rate_per_s": "tokens/s",
    "energy_per_output_token_j": "J/token",
    "mean_power_w": "W",
}
"""The metrics of the brief table and their heads."""
MAX_DETAILED_GROUPS = 4  # more workloads and operating points have a line each instead of a table each


@dataclass(frozen=True, slots=True)
class Block:
    """A table with a title, in a section that other tables may share; rows are as long as the header."""

    section: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def detailed(record: ComparisonRecord) -> list[Block]:
    """Return a block for each metric of each workload and operating point, with a row a deployment."""
    short = ShortNames(record.groups)
    return [
        block
        for group in record.groups
        for block in (_metric_blocks(group, short) if len(group.deployments) > 1 else [_one_deployment(group, short)])
    ]


def brief(record: ComparisonRecord) -> list[Block]:
    """Return a block for each workload: a row a point and deployment, a column a main metric.

    Where there is only one operating point it is a single block, with a row for each workload and deployment.
    """
    short = ShortNames(record.groups)
    one_point = len({group.point for group in record.groups}) == 1
    sections: dict[str, list[ComparisonGroup]] = {}
    for group in record.groups:
        sections.setdefault(group.point if one_point else group.workload, []).append(group)
    return [_brief_block(section, groups, short, by_workload=one_point) for section, groups in sections.items()]


def is_long(record: ComparisonRecord) -> bool:
    """Return whether a table for each metric is too much for a terminal, or would have nothing to set side by side."""
    groups = record.groups
    return len(groups) > MAX_DETAILED_GROUPS or (
        len(groups) > 1 and all(len(group.deployments) < 2 for group in groups)
    )


def legend(record: ComparisonRecord) -> list[str]:
    """Return lines that say how the tables are read."""
    margin = f"{record.margin_fraction:.0%}".replace("%", " %")
    said = [
        "geometric mean over launches (lowest ... highest, n launches); * a gate failed in a launch",
    ]
    deployments = [deployment for group in record.groups for deployment in group.deployments]
    if any(deployment.not_applied_launches and not deployment.was_never_applied for deployment in deployments):
        said.append(f"{ELSEWHERE} a launch did not run at the operating point, and is in none of these numbers")
    if is_long(record):
        said.append("brief table: mean, half width of its 95 % interval; summary.md and summary.csv have all")
    if record.family_size:
        said.append(
            f"ratio to the first deployment [95 % interval]; ~ not significant among {record.family_size} ratios "
            f"(Holm, 5 %) or of fewer than {MIN_CLAIM_LAUNCHES} launches; = equal within {margin}; no loss: not worse "
            f"by {margin}"
        )
        said.append("> best; = beside a name: not told apart from the best")
    return said


def _one_deployment(group: ComparisonGroup, short: ShortNames) -> Block:
    """Return a block with a row a metric, since there is nothing to stack."""
    [deployment] = group.deployments
    rows = tuple(
        (_titled(METRICS[name]), mean_text(METRICS[name], deployment.metrics[name]))
        for name in SHOWN
        if was_measured(group, name) and not _says_nothing(group, name)
    )
    return Block(f"{group.workload}, {group.point}", short(deployment.id), ("metric", "mean"), rows)


def _metric_blocks(group: ComparisonGroup, short: ShortNames) -> Iterator[Block]:
    pairs = {pair.other: pair for pair in baseline_pairs(group)}
    where = f"{group.workload}, {group.point}"
    for name in SHOWN:
        if not was_measured(group, name) or _says_nothing(group, name):
            continue
        marks = _marks(group, name)
        rows = []
        for deployment in (deployment for deployment in group.deployments if _has(deployment, name)):
            pair = pairs.get(deployment.id)
            ratio = pair.ratios.get(name) if pair else None
            told = "" if ratio is None else _ratio_cell(METRICS[name], deployment, name, ratio)
            if pair and pair.differences:
                told = "not compared"
            elif deployment is group.deployments[0]:
                told = "baseline"
            rows.append(
                (
                    marks.get(deployment.id, ""),
                    short(deployment.id),
                    mean_text(METRICS[name], deployment.metrics[name]),
                    told,
                )
            )
        yield Block(where, _titled(METRICS[name]), ("", "deployment", "mean", "ratio"), tuple(rows))


def _has(deployment: DeploymentSummary, name: str) -> bool:
    return any(launch.value is not None for launch in deployment.metrics[name].by_launch)


def _says_nothing(group: ComparisonGroup, name: str) -> bool:
    """Return whether the metric counts failures, and there were none."""
    return name == "failed_fraction" and not any(deployment.metrics[name].highest for deployment in group.deployments)


def _titled(metric: Metric) -> str:
    return label(metric) + (f", {metric.better} is better" if metric.better else "")


def _ratio_cell(metric: Metric, deployment: DeploymentSummary, name: str, ratio: MetricRatio) -> str:
    """Return the ratio, and its own means where it is of fewer launches than the mean beside it."""
    text = ratio_text(ratio)
    if ratio.pairing != "paired" or ratio.n_other == deployment.metrics[name].n or ratio.per_gpu:
        return text
    if ratio.baseline_mean is None or ratio.other_mean is None:
        return text
    ours, theirs = (f"{value * metric.per_unit:.4g}" for value in (ratio.baseline_mean, ratio.other_mean))
    return f"{text} ({ours} to {theirs}, n={ratio.n_other})"


def _marks(group: ComparisonGroup, name: str) -> dict[str, str]:
    """Return `>` for the deployment with the best mean and `=` for those not told apart from it.

    Nothing where neither direction is better, where some are not related to each other, or only per GPU.
    """
    better = METRICS[name].better
    means = {
        deployment.id: deployment.metrics[name].mean.value
        for deployment in group.deployments
        if deployment.metrics[name].mean.value is not None
    }
    if (
        better is None
        or len(means) < 2
        or any(
            not pair.ratios or pair.ratios[name].per_gpu
            for pair in group.pairs
            if {pair.baseline, pair.other} <= means.keys()
        )
    ):
        return {}
    best = (min if better == "lower" else max)(means, key=lambda deployment: means[deployment] or 0.0)
    told_apart = {
        deployment
        for pair in group.pairs
        if best in (pair.baseline, pair.other) and name in pair.ratios and pair.ratios[name].conclusion in DECIDED
        for deployment in (pair.baseline, pair.other)
    }
    return {
        deployment: ">" if deployment == best else "=" for deployment in means if deployment not in told_apart - {best}
    }


def _brief_block(section: str, groups: Sequence[ComparisonGroup], short: ShortNames, *, by_workload: bool) -> Block:
    several = any(len(group.deployments) > 1 for group in groups)
    names = [name for name in BRIEF if any(was_measured(group, name) for group in groups)]
    first = "workload" if by_workload else "point"
    header = (first, *(("deployment",) if several else ()), "n", *(BRIEF[name] for name in names))
    rows = tuple(
        (
            group.workload if by_workload else group.point,
            *((short(deployment.id),) if several else ()),
            str(max(metric.n for metric in deployment.metrics.values())),
            *(interval_text(METRICS[name], deployment.metrics[name]) for name in names),
        )
        for group in groups
        for deployment in group.deployments
    )
    only = "" if several else f", {short(groups[0].deployments[0].id)}"
    return Block(f"{section}{only}", "", header, rows)
