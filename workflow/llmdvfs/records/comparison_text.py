"""A comparison in words: the same table for the terminal and for the figure."""

from collections.abc import Sequence

from llmdvfs.records.comparison import METRICS, Arm, ArmMetric, ArmPair, ComparisonGroup, Metric, MetricRatio


def group_table(group: ComparisonGroup, names: Sequence[str]) -> list[list[str]]:
    """Return header and rows: a metric a row, a deployment a column, then the ratios to the first deployment.

    A metric that no deployment has is left out; `*` marks a mean with a launch in which a gate failed, `not applied`
    a deployment without any launch at the operating point.
    """
    pairs = [pair for pair in baseline_pairs(group) if not pair.differences]
    header = [f"{group.workload}, {group.point}"]
    header += [_arm_header(arm) for arm in group.arms]
    header += [f"{pair.other} / {pair.baseline}" for pair in pairs]
    return [header] + [
        [
            label(METRICS[name]),
            *[mean_text(METRICS[name], arm.metrics[name], _starts(arm)) for arm in group.arms],
            *[ratio_text(pair.ratios[name]) for pair in pairs],
        ]
        for name in names
        if any(launch.value is not None for arm in group.arms for launch in arm.metrics[name].by_launch)
    ]


def _arm_header(arm: Arm) -> str:
    """Name the deployment with its server starts, and how many launches were not at the operating point."""
    left_out = f", {len(arm.not_applied_launches)} not applied" if arm.not_applied_launches else ""
    return f"{arm.deployment} (n={_starts(arm)}{left_out})"


def _starts(arm: Arm) -> int:
    return arm.metrics["failed_fraction"].n


def baseline_pairs(group: ComparisonGroup) -> list[ArmPair]:
    """Return the pairs of the group's first deployment, the baseline that tables and figures use, with every other."""
    return [pair for pair in group.pairs if pair.baseline == group.arms[0].deployment]


def label(metric: Metric) -> str:
    """Return `Name (unit)`."""
    return f"{metric.label} ({metric.unit})" if metric.unit else metric.label


def mean_text(metric: Metric, summary: ArmMetric, starts: int) -> str:
    """Return the mean and its interval in the shown unit, and n where fewer than all server starts have a value."""
    mean = summary.mean
    if mean.value is None:
        return "not applied" if any(not launch.applied for launch in summary.by_launch) else "-"
    value = mean.value * metric.per_unit
    mark = "" if all(launch.valid for launch in summary.by_launch if launch.applied) else " *"
    mark = mark if summary.n == starts else f" (n={summary.n}){mark}"
    if mean.low is None or mean.high is None:
        return f"{_number(value, value)}{mark}"
    low, high = mean.low * metric.per_unit, mean.high * metric.per_unit
    return f"{_number(value, value)} [{_number(low, value)}, {_number(high, value)}]{mark}"


def ratio_text(metric: MetricRatio) -> str:
    """Return the ratio and its interval; `*` marks one with a launch in which a gate failed."""
    ratio = metric.ratio
    if ratio.value is None:
        return "-"
    per_gpu = (" per GPU" if metric.per_gpu else "") + ("" if metric.valid else " *")
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}{per_gpu}"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]{per_gpu}"


def _number(value: float, scale: float) -> str:
    """Write a number with as many decimals as three to four significant digits of the scale need."""
    size = abs(scale)
    if size == 0:
        return f"{value:.3g}"
    if not 1e-3 <= size < 1e6:
        return f"{value:.2e}"
    return f"{value:.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4}f}"
