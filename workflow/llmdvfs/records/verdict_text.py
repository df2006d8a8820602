"""A comparison in up to three sentences, in either language: what the others cost and bring at the busiest load."""

from collections.abc import Iterable, Sequence

from llmdvfs.records.compared import METRICS, MIN_CLAIM_LAUNCHES
from llmdvfs.records.comparison import DECIDED, ComparisonGroup, DeploymentPair, DeploymentSummary, MetricRatio
from llmdvfs.records.comparison_text import baseline_pairs, equal_gpu_pairs, mean_words
from llmdvfs.records.counted import counted
from llmdvfs.records.short_names import ShortNames
from llmdvfs.records.verdict_words import LANGUAGES, Language, VerdictWords

MAX_SENTENCES = 3
ENERGY = ("energy_per_output_token_j", "energy_per_request_j")
COUNTED = ("output_token_rate_per_s",)
SPEED = ("output_token_rate_per_s", "e2e_mean_s", "ttft_p50_s")


def verdict(groups: Sequence[ComparisonGroup], language: Language = "en") -> tuple[str, ...]:
    """Return a sentence for each two deployments that are compared at the busiest load, equal GPUs first.

    At most MAX_SENTENCES; the last one says so where there are more. A study without a pair gets a sentence about what
    it measured.
    """
    words = LANGUAGES[language]
    group = busiest(groups)
    if group is None:
        return (words.nothing_compared,)
    sentences = pair_sentences(group, groups, language)
    if not sentences:
        return (_alone(group, words, refused=bool(group.pairs)),)
    if len(sentences) > MAX_SENTENCES:
        sentences = sentences[:MAX_SENTENCES]
        sentences[-1] += words.others
    return tuple(sentences)


def pair_sentences(group: ComparisonGroup, groups: Sequence[ComparisonGroup], language: Language) -> list[str]:
    """Return a sentence for each two related deployments of a group: those of equal GPUs, then the baseline's others.

    groups: all of the study, which decide how briefly deployments are named.
    """
    equal = [pair for pair in equal_gpu_pairs(group) if pair.ratios]
    pairs = [*equal, *(pair for pair in baseline_pairs(group) if pair.ratios and pair not in equal)]
    short = ShortNames(groups)
    return [_sentence(group, pair, short, LANGUAGES[language]) for pair in pairs]


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


def _sentence(group: ComparisonGroup, pair: DeploymentPair, short: ShortNames, words: VerdictWords) -> str:
    claimed = [name for name in (_first(pair, ENERGY), _first(pair, SPEED)) if name is not None]
    said = [_claim(name, pair.ratios[name], words) for name in claimed]
    return words.sentence.format(
        where=_circumstances(group, pair, words),
        other=short(pair.other),
        baseline=short(pair.baseline),
        said=words.joint.join(said or [words.nothing_related]),
        n=_fewest_launches(pair, claimed),
    )


def _circumstances(group: ComparisonGroup, pair: DeploymentPair, words: VerdictWords) -> str:
    """Say what is held equal, or that GPUs are not."""
    num_gpus = {deployment.id: deployment.num_gpus for deployment in group.deployments}
    ours, theirs = num_gpus[pair.baseline], num_gpus[pair.other]
    if ours is None or theirs is None:
        gpus = words.unknown_gpus
    elif ours == theirs == 0:
        gpus = words.cpu
    else:
        text = words.equal_gpus if ours == theirs else words.unlike_gpus
        gpus = text.format(ours=ours, theirs=theirs, s="" if theirs == 1 else "s")
    load = group.workload
    if group.batch_size:
        load = words.in_flight.format(number=group.batch_size, workload=group.workload)
    point = words.point.format(point=group.point) if group.asks_for_something else ""
    return words.at.format(gpus=gpus, load=load) + point


def _claim(name: str, ratio: MetricRatio, words: VerdictWords) -> str:
    """Say how the other's value stands to the baseline's, and how sure that is."""
    metric = words.metrics[name]
    if ratio.per_gpu:
        metric = words.per_gpu.format(metric=metric)
    doubt = "" if ratio.valid else " (*)"
    if ratio.conclusion == "no_conclusion":
        return words.no_conclusion.format(metric=metric, factor=ratio.launches_differ_factor or 1.0) + doubt
    if ratio.conclusion in ("equal", "no_loss"):
        text = words.equal if ratio.conclusion == "equal" else words.no_loss
        return text.format(metric=metric, change=_change(name, ratio, "", words)) + doubt
    return f"{_change(name, ratio, metric, words)}{_how_sure(ratio, words)}{doubt}"


def _how_sure(ratio: MetricRatio, words: VerdictWords) -> str:
    if ratio.conclusion in DECIDED:
        return ""
    n = ratio.fewest_launches
    return words.not_significant + (
        words.few_launches.format(n=n, launches=counted(n, "launch")) if n < MIN_CLAIM_LAUNCHES else ""
    )


def _change(name: str, ratio: MetricRatio, metric: str, words: VerdictWords) -> str:
    """Return `6 % more [3, 9] METRIC`, or `2.4 [2.3, 2.5] times the METRIC`, with the interval where there is one."""
    estimate = ratio.ratio
    value, low, high = estimate.value or 1.0, estimate.low, estimate.high
    has_interval = low is not None and high is not None
    if value >= 2:
        span = f" [{low:.2g}, {high:.2g}]" if has_interval else ""
        return words.times.format(change=f"{value:.2g}", span=span, metric=metric).strip()
    change = abs(value - 1) * 100
    digits = 0 if change >= 2 else 1
    span = ""
    if low is not None and high is not None:
        ends = sorted((1 if value >= 1 else -1) * (edge - 1) * 100 for edge in (low, high))
        span = f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"
    lower = words.fewer if name in COUNTED else words.less
    text = words.more if value >= 1 else lower
    return text.format(change=f"{change:.{digits}f} %", span=span, metric=metric).strip()


def _fewest_launches(pair: DeploymentPair, claimed: Sequence[str]) -> int:
    """Return the server starts behind what is claimed; where nothing is, behind the ratio that has fewest."""
    ratios = [pair.ratios[name] for name in claimed or pair.ratios]
    return min((ratio.fewest_launches for ratio in ratios if ratio.ratio.value is not None), default=0)


def _first(pair: DeploymentPair, names: Sequence[str]) -> str | None:
    return next((name for name in names if pair.ratios[name].ratio.value is not None), None)


def _alone(group: ComparisonGroup, words: VerdictWords, *, refused: bool) -> str:
    """Say what the first deployment of a group reaches, where nothing is related to it."""
    deployment: DeploymentSummary = group.deployments[0]
    reached = [
        mean_words(METRICS[name], deployment.metrics[name], words.means[name])
        for name in words.means
        if deployment.metrics[name].mean.value is not None
    ]
    return words.alone.format(
        deployment=deployment.id,
        workload=group.workload,
        point=group.point,
        reached=words.joint.join(reached or [words.nothing_measured]),
        why=words.unlike_beside if refused else words.nothing_beside,
    )
