"""Decides what each ratio shows, once all of a study's ratios are looked at together."""

from collections.abc import Sequence
from dataclasses import replace

from llmdvfs.comparison.statistics import holm
from llmdvfs.records.compared import FAMILY, METRICS, MIN_CLAIM_LAUNCHES
from llmdvfs.records.comparison import ComparisonGroup, Conclusion, DeploymentPair, MetricRatio
from llmdvfs.records.comparison_text import claimed_pairs

ALPHA = 0.05
# An interval whose ends lie this factor apart says neither which is better nor by about how much.
TOO_WIDE_FACTOR = 4.0


def concluded(groups: Sequence[ComparisonGroup]) -> tuple[list[ComparisonGroup], int]:
    """Return the groups with a conclusion for every ratio that has an interval, and the size of the family.

    The family is what tables and verdict claim: the metrics of FAMILY in the pairs of each group's first deployment and
    in those at equal GPUs, at every workload and operating point. Holm's procedure keeps studies with any false claim
    of a difference below 5 %.
    """
    p_values = {
        (number, pair.baseline, pair.other, name): p_value
        for number, group in enumerate(groups)
        for pair in claimed_pairs(group)
        for name in FAMILY
        if name in pair.ratios and (p_value := pair.ratios[name].p_value) is not None
    }
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    return [
        replace(
            group,
            pairs=tuple(
                _concluded(
                    pair, {name: adjusted.get((number, pair.baseline, pair.other, name)) for name in pair.ratios}
                )
                for pair in group.pairs
            ),
        )
        for number, group in enumerate(groups)
    ], len(p_values)


def _concluded(pair: DeploymentPair, adjusted: dict[str, float | None]) -> DeploymentPair:
    return replace(
        pair,
        ratios={
            name: _with_conclusion(name, replace(ratio, adjusted_p_value=adjusted[name]))
            for name, ratio in pair.ratios.items()
        },
    )


def _with_conclusion(name: str, ratio: MetricRatio) -> MetricRatio:
    """Return the ratio with its conclusion.

    Outside the family a ratio is judged by its own p-value; what is decided needs no more launches.
    """
    said = _conclusion(name, ratio)
    more = None
    if said in ("undecided", "no_conclusion") and ratio.num_more_launches is not None:
        more = max(ratio.num_more_launches, MIN_CLAIM_LAUNCHES - ratio.fewest_launches)
    return replace(ratio, conclusion=said, num_more_launches=more)


def _conclusion(name: str, ratio: MetricRatio) -> Conclusion | None:
    estimate = ratio.ratio
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    p_value = ratio.p_value if ratio.adjusted_p_value is None else ratio.adjusted_p_value
    # No p-value means no spread at all: any difference between launches that are all alike is a real one.
    is_told_apart = estimate.value != 1 if p_value is None else p_value < ALPHA
    if is_told_apart and ratio.fewest_launches >= MIN_CLAIM_LAUNCHES:
        better = METRICS[name].better
        if better is None:
            return "different"
        return "better" if (estimate.value < 1) == (better == "lower") else "worse"
    if ratio.equal_p_value is not None and ratio.equal_p_value < ALPHA:
        return "equal"
    if ratio.no_loss_p_value is not None and ratio.no_loss_p_value < ALPHA:
        return "no_loss"
    return "no_conclusion" if estimate.high / estimate.low > TOO_WIDE_FACTOR else "undecided"
