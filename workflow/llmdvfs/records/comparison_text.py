"""A comparison in words: the same table for the terminal and for the figure."""

from collections.abc import Sequence

from llmdvfs.records.compared import METRICS, Metric
from llmdvfs.records.comparison import ComparisonGroup, DeploymentPair, DeploymentSummary, MetricRatio, MetricSummary
from llmdvfs.records.verdict_words import ENGLISH, VerdictWords

ELSEWHERE = "^"
"""Marks a mean beside which a launch did not run at the operating point."""


def group_table(group: ComparisonGroup, names: Sequence[str]) -> list[list[str]]:
    """Return the table's header and rows as text: a row a metric, a column a deployment, then the ratios.

    Ratios are to the group's first deployment. A metric that no deployment has is left out. `*` marks a mean with a
    launch in which a gate failed, `not applied` a deployment without any launch at the operating point.
    """
    pairs = [pair for pair in baseline_pairs(group) if not pair.differences]
    header = [f"{group.workload}, {group.point}"]
    header += [_deployment_header(deployment) for deployment in group.deployments]
    header += [f"{pair.other} / {pair.baseline}" for pair in pairs]
    return [header] + [
        [
            label(METRICS[name]),
            *[
                interval_text(METRICS[name], deployment.metrics[name], _starts(deployment))
                for deployment in group.deployments
            ],
            *[ratio_text(pair.ratios[name], in_words=False) for pair in pairs],
        ]
        for name in names
        if was_measured(group, name)
    ]


def was_measured(group: ComparisonGroup, name: str) -> bool:
    """Return whether any deployment of the group has a value of the metric."""
    return any(
        launch.value is not None for deployment in group.deployments for launch in deployment.metrics[name].by_launch
    )


def _deployment_header(deployment: DeploymentSummary) -> str:
    """Name the deployment with its server starts, and how many launches were not at the operating point."""
    left_out = f", {len(deployment.not_applied_launches)} not applied" if deployment.not_applied_launches else ""
    return f"{deployment.id} (n={_starts(deployment)}{left_out})"


def _starts(deployment: DeploymentSummary) -> int:
    return deployment.metrics["failed_fraction"].n


def baseline_pairs(group: ComparisonGroup) -> list[DeploymentPair]:
    """Return the pairs of the group's first deployment, the baseline that tables and figures use, with every other."""
    return [pair for pair in group.pairs if pair.baseline == group.deployments[0].id]


def equal_gpu_pairs(group: ComparisonGroup) -> list[DeploymentPair]:
    """Return the pairs of deployments with equal numbers of GPUs: for each number, the first with every other."""
    first: dict[int | None, str] = {}
    gpus = {deployment.id: deployment.num_gpus for deployment in group.deployments}
    for deployment in group.deployments:
        first.setdefault(deployment.num_gpus, deployment.id)
    return [
        pair
        for pair in group.pairs
        if gpus[pair.baseline] == gpus[pair.other] is not None and pair.baseline == first[gpus[pair.baseline]]
    ]


def claimed_pairs(group: ComparisonGroup) -> list[DeploymentPair]:
    """Return the pairs that tables and verdict make claims about: those with the baseline, and those at equal GPUs."""
    equal, of_baseline = equal_gpu_pairs(group), baseline_pairs(group)
    return [pair for pair in group.pairs if pair in of_baseline or pair in equal]


def label(metric: Metric) -> str:
    """Return a metric's heading, `Name (unit)`."""
    return f"{metric.label} ({metric.unit})" if metric.unit else metric.label


def mean_text(metric: Metric, summary: MetricSummary, starts: int | None = None, words: VerdictWords = ENGLISH) -> str:
    """Return a metric's mean, its lowest and highest launch and n, e.g. `828 (381 ... 2418, n=3)`.

    Shown in the metric's unit; `*` marks a launch in which a gate failed, `^` one that did not run at the operating
    point and is in none of these numbers. starts: number of server starts that the reader knows already; n is left out
    where it equals this.
    """
    mean = summary.mean
    if mean.value is None:
        return words.not_applied if any(not launch.applied for launch in summary.by_launch) else "-"
    value = mean.value * metric.per_unit
    marks = _marks(summary)
    mark = f" {marks}" if marks else ""
    count = "" if summary.n == starts else f"n={summary.n}"
    span = ""
    if summary.n > 1 and summary.lowest is not None and summary.highest is not None:
        low, high = summary.lowest * metric.per_unit, summary.highest * metric.per_unit
        span = f"{_number(low, value)} ... {_number(high, value)}"
    inside = ", ".join(part for part in (span, count) if part)
    return f"{_number(value, value)}{f' ({inside})' if inside else ''}{mark}"


def _marks(summary: MetricSummary) -> str:
    doubtful = any(not launch.valid for launch in summary.by_launch if launch.applied)
    return ("*" if doubtful else "") + (ELSEWHERE if any(not launch.applied for launch in summary.by_launch) else "")


def mean_words(metric: Metric, summary: MetricSummary, name: str) -> str:
    """Return the same with the metric's name and unit, for a sentence: `TTFT p50 828 ms (381 ... 2418, n=3)`.

    name: as the sentence's language has it.
    """
    number, _, rest = mean_text(metric, summary).partition(" ")
    return " ".join(part for part in (name, number, metric.unit, rest) if part)


def interval_text(metric: Metric, summary: MetricSummary, starts: int | None = None) -> str:
    """Return the mean and the half width of its interval, e.g. `0.183 ±1.2%`; as `x/1.8` where that is over a half.

    starts: number of server starts that the reader knows already; n is said where it is another number.
    """
    mean = summary.mean
    if mean.value is None or mean.low is None or mean.high is None or mean.low <= 0:
        return mean_text(metric, summary, summary.n)
    value = mean.value * metric.per_unit
    count = "" if starts in (None, summary.n) else f" (n={summary.n})"
    mark = count + (_marks(summary) if starts is None else _marks(summary).removesuffix(ELSEWHERE))
    factor = mean.high / mean.value
    half = f"±{100 * (factor - 1):.1f}%" if factor < 1.5 else f"x/{factor:.1f}"
    return f"{_number(value, value)} {half}{mark}"


BRIEF_SIGNS = {"equal": "~", "no_loss": "~", "undecided": "~", "no_conclusion": "~"}


def ratio_text(metric: MetricRatio, *, in_words: bool = True, words: VerdictWords = ENGLISH) -> str:
    """Return a ratio, its interval and what it shows, e.g. `1.24x [1.12, 1.36] worse`.

    in_words: whether the conclusion is written out; else `~` stands for not significant. `*` marks a launch in which a
    gate failed.
    """
    ratio = metric.ratio
    if ratio.value is None:
        return "-"
    star = "" if metric.valid else " *"
    if metric.conclusion == "no_conclusion" and in_words:
        return words.launches_differ.format(factor=metric.launches_differ_factor or 1) + star
    sign = (words.signs if in_words else BRIEF_SIGNS).get(metric.conclusion or "", "")
    said = f"{sign}{star}".strip()
    after = (words.ratio_per_gpu if metric.per_gpu else "") + (f" {said}" if said else "")
    if ratio.low is None or ratio.high is None:
        return f"{ratio_number(ratio.value)}x{after}"
    return f"{ratio_number(ratio.value)}x [{ratio_number(ratio.low)}, {ratio_number(ratio.high)}]{after}"


def ratio_number(ratio: float) -> str:
    """Write a ratio with three decimals below 10, fewer above."""
    return f"{ratio:.3f}" if ratio < 10 else f"{ratio:.3g}"


def _number(value: float, scale: float) -> str:
    """Write a number with as many decimals as three to four significant digits of the scale need."""
    size = abs(scale)
    if size == 0:
        return f"{value:.3g}"
    if not 1e-3 <= size < 1e6:
        return f"{value:.2e}"
    return f"{value:.{0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4}f}"
