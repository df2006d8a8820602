"""A comparison in up to three sentences: what the others cost and bring at the busiest load."""

from collections.abc import Iterable, Sequence

from llmdvfs.comparison.words.names import ShortNames
from llmdvfs.records.comparison import (
    DECIDED,
    METRICS,
    MIN_CLAIM_LAUNCHES,
    ComparisonGroup,
    DeploymentPair,
    DeploymentSummary,
    MetricRatio,
)
from llmdvfs.records.comparison_text import baseline_pairs, equal_gpu_pairs, mean_words

MAX_SENTENCES = 3
ENERGY = ("energy_per_output_token_j", "energy_per_request_j")
SPEED = ("output_token_rate_per_s", "e2e_mean_s", "ttft_p50_s")
WORDS = {
    "energy_per_output_token_j": "energy per output token",
    "energy_per_request_j": "energy per request",
    "output_token_rate_per_s": "output tokens per second",
    "e2e_mean_s": "end-to-end latency",
    "ttft_p50_s": "time to first token",
}


def verdict(groups: Sequence[ComparisonGroup]) -> tuple[str, ...]:
    """Return a sentence for each two deployments that are compared at the busiest load, equal GPUs first.

    At most MAX_SENTENCES; the last one says so where there are more. A study without a pair gets a sentence about what
    it measured.
    """
    group = busiest(groups)
    if group is None:
        return ("nothing was measured that could be compared.",)
    equal = [pair for pair in equal_gpu_pairs(group) if pair.ratios]
    pairs = [*equal, *(pair for pair in baseline_pairs(group) if pair.ratios and pair not in equal)]
    if not pairs:
        return (_alone(group, refused=bool(group.pairs)),)
    gpus = {deployment.id: deployment.num_gpus for deployment in group.deployments}
    short = ShortNames(groups)
    sentences = [_sentence(group, pair, gpus, short) for pair in pairs]
    if len(sentences) > MAX_SENTENCES:
        sentences = sentences[:MAX_SENTENCES]
        sentences[-1] += " (The tables have the others.)"
    return tuple(sentences)


def busiest(groups: Iterable[ComparisonGroup]) -> ComparisonGroup | None:
    """Return the group with most compared deployments, at stock if any is, with most requests in flight; None: none."""
    return max(
        groups,
        key=lambda group: (
            sum(bool(pair.ratios) for pair in baseline_pairs(group)),
            not group.asks_for_something,
            group.batch_size or 0,
        ),
        default=None,
    )


def _sentence(group: ComparisonGroup, pair: DeploymentPair, gpus: dict[str, int | None], short: ShortNames) -> str:
    said = [
        _claim(name, ratio)
        for name in (_first(pair, ENERGY), _first(pair, SPEED))
        if name
        for ratio in [pair.ratios[name]]
    ]
    if not said:
        said = ["nothing that can be related was measured"]
    where = _circumstances(group, pair, gpus)
    return f"{where}, {short(pair.other)} against {short(pair.baseline)}: {'; '.join(said)}{_launches(pair)}."


def _circumstances(group: ComparisonGroup, pair: DeploymentPair, gpus: dict[str, int | None]) -> str:
    """Return what is held equal, or that the numbers of GPUs are not."""
    ours, theirs = gpus[pair.baseline], gpus[pair.other]
    if ours is None or theirs is None:
        at = "With a number of GPUs that is not known"
    elif ours == theirs:
        at = f"At equal GPUs ({ours})" if ours else "On this CPU"
    else:
        at = f"With {theirs} GPU{'s' if theirs != 1 else ''} against {ours}"
    load = f"{group.batch_size} in flight" if group.batch_size else group.workload
    named = load if not group.batch_size else f"{load} ({group.workload})"
    return f"{at} and {named}" + (f", {group.point}" if group.asks_for_something else "")


def _claim(name: str, ratio: MetricRatio) -> str:
    """Return how the other's value compares with the baseline's, and how sure that is."""
    words = WORDS[name] + (" per GPU" if ratio.per_gpu else "")
    doubt = " (*)" if not ratio.valid else ""
    if ratio.conclusion == "no_conclusion":
        return f"{words}: launches differ {ratio.launches_differ_factor:.1f}x, no conclusion{doubt}"
    if ratio.conclusion == "equal":
        return f"{words} equal within the margin ({_change(ratio)}){doubt}"
    if ratio.conclusion == "no_loss":
        return f"{words}: no loss beyond the margin ({_change(ratio)}){doubt}"
    return f"{_change(ratio)} {words}{_how_sure(ratio)}{doubt}"


def _how_sure(ratio: MetricRatio) -> str:
    if ratio.conclusion in DECIDED:
        return ""
    too_few = ratio.fewest_launches < MIN_CLAIM_LAUNCHES
    return ", not significant" + (f" with {ratio.fewest_launches} launches" if too_few else "")


def _change(ratio: MetricRatio) -> str:
    """Return `6 % more [3, 9]`, or `2.4 [2.3, 2.5] times the`: the ratio with its interval where there is one."""
    estimate = ratio.ratio
    value = estimate.value or 1.0
    if value >= 2:
        span = "" if estimate.low is None or estimate.high is None else f" [{estimate.low:.2g}, {estimate.high:.2g}]"
        return f"{value:.2g}{span} times the"
    change = abs(value - 1) * 100
    digits = 0 if change >= 2 else 1
    direction = "more" if value >= 1 else "less"
    if estimate.low is None or estimate.high is None:
        return f"{change:.{digits}f} % {direction}"
    sign = 1 if value >= 1 else -1
    ends = sorted(sign * (edge - 1) * 100 for edge in (estimate.low, estimate.high))
    return f"{change:.{digits}f} % {direction} [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def _launches(pair: DeploymentPair) -> str:
    counts = {(ratio.n_baseline, ratio.n_other) for ratio in pair.ratios.values() if ratio.ratio.value is not None}
    fewest = min((min(pair_counts) for pair_counts in counts), default=0)
    return f"; n = {fewest}"


def _first(pair: DeploymentPair, names: Sequence[str]) -> str | None:
    return next((name for name in names if pair.ratios[name].ratio.value is not None), None)


def _alone(group: ComparisonGroup, *, refused: bool) -> str:
    """Return what the first deployment of a group reaches, where nothing is compared with it."""
    deployment: DeploymentSummary = group.deployments[0]
    parts = [
        mean_words(METRICS[name], deployment.metrics[name])
        for name in ("output_token_rate_per_s", "ttft_p50_s", "energy_per_output_token_j")
        if deployment.metrics[name].mean.value is not None
    ]
    why = "what was measured beside it is unlike it, and not related" if refused else "nothing is related to it"
    return f"{deployment.id} at {group.workload}, {group.point}: {'; '.join(parts) or 'nothing measured'}; {why}."
