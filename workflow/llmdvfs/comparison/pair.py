"""Compares two deployments metric by metric, as ratios with intervals."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean

from llmdvfs.comparison.alike import held_equal, varied
from llmdvfs.comparison.contrast import Contrast, contrast
from llmdvfs.comparison.likeness import caveats, differences
from llmdvfs.comparison.statistics import LogMean, Spread, usual_elsewhere
from llmdvfs.comparison.summary import Measured
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import MAX_MORE_LAUNCHES, DeploymentPair, DeploymentSummary, MetricRatio
from llmdvfs.records.result import Estimate
from llmdvfs.records.telemetry import EnergySource

NO_POWER_DATA = "no power data on this machine"


@dataclass(frozen=True, slots=True)
class PairDraft:
    """Two deployments whose ratios are not made yet, since intervals need the spreads of the other pairs."""

    pair: DeploymentPair
    contrasts: dict[str, Contrast | str]
    """Name in METRICS -> what the ratio is made of, or why there is none; empty where the pair is refused."""


def draft(
    baseline: DeploymentSummary,
    other: DeploymentSummary,
    baseline_cells: Sequence[Measured],
    other_cells: Sequence[Measured],
    *,
    unlike: bool = False,
) -> PairDraft:
    """Return what other / baseline is made of, or the differences for which the comparison is refused.

    baseline_cells, other_cells: their cells. unlike: compare all the same, and put the differences among the caveats.
    """
    ours, theirs = ([run for _, run in cells] for cells in (baseline_cells, other_cells))
    found = differences(ours, theirs)
    if found and not unlike:
        return PairDraft(DeploymentPair(baseline.id, other.id, found, (), {}), {})
    sources = {result.energy.source for cells in (baseline_cells, other_cells) for result, _ in cells}
    no_energy = _why_no_energy_ratio(sources)
    pair = DeploymentPair(
        baseline=baseline.id,
        other=other.id,
        differences=(),
        caveats=(
            *(f"unlike, and compared because that was asked: {difference}" for difference in found),
            *caveats(ours, theirs),
        ),
        ratios={},
        held_equal=held_equal(ours, theirs),
        varied=(*varied(ours, theirs), *found),
    )
    return PairDraft(
        pair,
        {
            name: no_energy if metric.of_energy and no_energy else contrast(name, baseline, other)
            for name, metric in METRICS.items()
        },
    )


def finish(drafts: Sequence[PairDraft], margin_fraction: float) -> list[DeploymentPair]:
    """Return the pairs with their ratios; each interval uses the spreads of the other pairs of its baseline.

    drafts: of all workloads and operating points. margin_fraction: a ratio that is within it of 1 counts as equal.
    """
    ratios: list[dict[str, MetricRatio]] = [{} for _ in drafts]
    of_baseline: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(drafts):
        if one.contrasts:
            of_baseline[one.pair.baseline].append(index)
    for indices in of_baseline.values():
        for name in METRICS:
            contrasts = [drafts[index].contrasts[name] for index in indices]
            means = [own.log_ratio() if isinstance(own, Contrast) else None for own in contrasts]
            usual = usual_elsewhere([mean.spread if mean else None for mean in means])
            for index, own, mean, others in zip(indices, contrasts, means, usual, strict=True):
                ratios[index][name] = (
                    absent(own) if isinstance(own, str) else _ratio(name, own, mean, others, margin_fraction)
                )
    return [replace(one.pair, ratios=every) for one, every in zip(drafts, ratios, strict=True)]


def absent(reason: str) -> MetricRatio:
    """Return a ratio without a value, for the reason given."""
    return MetricRatio(Estimate(None, reason=reason), "none", 0, 0, False, True, ())


def _why_no_energy_ratio(sources: Iterable[EnergySource]) -> str | None:
    kinds = set(sources)
    if kinds == {"none"}:
        return NO_POWER_DATA
    return f"energy sources differ: {', '.join(sorted(kinds))}" if len(kinds) > 1 else None


def _ratio(name: str, own: Contrast, mean: LogMean | None, usual: Spread | None, margin: float) -> MetricRatio:
    """Return the ratio with all that its launches and the pool say of it; its conclusion is made with the family's."""
    if mean is None:
        return absent(own.why_no_ratio() or "")
    shrunk, limit = mean.shrunk(usual), math.log1p(margin)
    ours, theirs = own.sides
    too_low, too_high = shrunk.p_not_above(-limit), shrunk.p_not_below(limit)
    worse = {"lower": too_high, "higher": too_low, None: None}[METRICS[name].better]
    sound = own.without_doubtful()
    of_sound = sound.log_ratio() if sound else None
    return MetricRatio(
        ratio=shrunk.interval(),
        pairing="paired" if own.paired else "unpaired",
        n_baseline=len(ours),
        n_other=len(theirs),
        per_gpu=own.per_gpu,
        valid=own.valid,
        by_launch=own.launch_ratios,
        baseline_mean=geometric_mean(ours),
        other_mean=geometric_mean(theirs),
        p_value=shrunk.p_value(),
        equal_p_value=None if too_low is None or too_high is None else max(too_low, too_high),
        no_loss_p_value=worse,
        launches_differ_factor=own.launches_differ_factor(),
        num_more_launches=shrunk.num_more(max(abs(shrunk.value), limit), MAX_MORE_LAUNCHES),
        without_doubtful=of_sound.shrunk(usual).interval() if of_sound else None,
    )
