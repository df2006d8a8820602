"""One cell measured again beside the same cell as it is stored: whether their means are equal within a margin."""

from collections.abc import Mapping, Sequence
from typing import Literal

from llmdvfs.comparison.conclusion import ALPHA
from llmdvfs.comparison.contrast import Contrast
from llmdvfs.comparison.pair import PairDraft, finish
from llmdvfs.records.compared import METRICS, MIN_CLAIM_LAUNCHES
from llmdvfs.records.comparison import DeploymentPair, LaunchValue, MetricRatio

Outcome = Literal["reproduced", "differs", "open"]
"""reproduced: two one-sided tests find the means equal within the margin, at 5 %. differs: they are significantly
different, and not equal within it. open: launches do not show either."""


def again_over_stored(
    stored: Mapping[str, Sequence[LaunchValue]], again: Mapping[str, Sequence[LaunchValue]], margin_fraction: float
) -> dict[str, MetricRatio]:
    """Return name in METRICS -> ratio of what was measured again to what is stored, with its tests.

    Launches do not pair: those that bear one number had the same prompts, and nothing else in common. The variance is
    that of the launches themselves, as there are no other cells to learn from.
    """
    contrasts: dict[str, Contrast | str] = {
        name: Contrast(tuple(stored[name]), tuple(again[name]), paired=False, per_gpu=False)
        if stored[name] and again[name]
        else "not measured on both sides"
        for name in METRICS
    }
    [pair] = finish([PairDraft(DeploymentPair("stored", "again", (), (), {}), contrasts)], margin_fraction)
    return pair.ratios


def outcome(ratio: MetricRatio) -> Outcome | None:
    """Return what the ratio shows; None: the metric was not measured on both sides.

    A difference that is significant and yet certainly within the margin counts as reproduced: the margin says what
    matters.
    """
    if ratio.ratio.value is None:
        return None
    if ratio.equal_p_value is not None and ratio.equal_p_value < ALPHA:
        return "reproduced"
    is_significant = ratio.p_value is not None and ratio.p_value < ALPHA
    return "differs" if is_significant and ratio.fewest_launches >= MIN_CLAIM_LAUNCHES else "open"


def reproduced_lines(ratios: Mapping[str, MetricRatio], metrics: Sequence[str], margin_fraction: float) -> list[str]:
    """Return a line for each metric that was measured on both sides, and one for what they come to."""
    told = [(name, ratios[name], outcome(ratios[name])) for name in metrics]
    lines = [_line(name, ratio, said) for name, ratio, said in told if said is not None]
    counts = {kind: sum(said == kind for _, _, said in told) for kind in ("reproduced", "differs", "open")}
    within = f"{100 * margin_fraction:g} %"
    return [
        *lines,
        f"{counts['reproduced']} of {len(lines)} reproduced within {within}, {counts['differs']} differ, "
        f"{counts['open']} open (two one-sided tests at 5 %)",
    ]


def _line(name: str, ratio: MetricRatio, said: Outcome) -> str:
    metric, own = METRICS[name], ratio.ratio
    means = [value * metric.per_unit for value in (ratio.baseline_mean, ratio.other_mean) if value is not None]
    numbers = " -> ".join(
        f"{mean:.4g} (n={n})" for mean, n in zip(means, (ratio.n_baseline, ratio.n_other), strict=True)
    )
    interval = "" if own.low is None or own.high is None else f" [{own.low:.3f}, {own.high:.3f}]"
    more = ratio.num_more_launches
    after = f"; about {more} more launches would tell" if said == "open" and more else ""
    title = f"{metric.label}, {metric.unit}" if metric.unit else metric.label
    return f"{said:10}  {title:28}  {numbers}  {own.value:.3f}x{interval}{after}"
