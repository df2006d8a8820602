"""What the page says first: the comparison's own verdict, and a sentence for every pair in both languages."""

from dataclasses import dataclass

from llmdvfs.records.comparison import DECIDED, METRICS, ComparisonGroup, ComparisonRecord, DeploymentPair, MetricRatio
from llmdvfs.records.comparison_text import claimed_pairs, equal_gpu_pairs, ratio_number
from llmdvfs.report.words import Words, words_of

HEADLINES = ("energy_per_output_token_j", "output_token_rate_per_s", "ttft_p50_s", "tpot_mean_s")
"""What a reader asks first, in this order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences on the deployments that can be compared, and on why others cannot be."""

    headlines: tuple[str, ...]
    """The sentences of the comparison's own verdict, in English."""
    sentences: tuple[Words, ...]
    """One sentence for each pair, workload and operating point; the pairs of the headlines come first."""
    refused: tuple[str, ...]
    caveats: tuple[str, ...]


def verdict(record: ComparisonRecord) -> Verdict:
    """Return the verdict of a comparison, with a sentence on the headline metrics of each compared pair."""
    pairs = [(group, pair) for group in sorted(record.groups, key=_busiest_first) for pair in _equal_gpus_first(group)]
    told = (_sentence(group, pair) for group, pair in pairs if not pair.differences)
    refused = (f"{pair.other} / {pair.baseline}: {difference}" for _, pair in pairs for difference in pair.differences)
    caveats = (caveat for _, pair in pairs for caveat in pair.caveats)
    notes = (*caveats, *record.warnings, *([record.energy_note] if record.energy_note else []))
    return Verdict(
        headlines=record.verdict,
        sentences=tuple(sentence for sentence in told if sentence),
        refused=tuple(dict.fromkeys(refused)),
        caveats=tuple(dict.fromkeys(notes)),
    )


def _busiest_first(group: ComparisonGroup) -> tuple[int, bool, int]:
    related = sum(bool(pair.ratios) for pair in claimed_pairs(group))
    return -related, group.asks_for_something, -(group.batch_size or 0)


def _equal_gpus_first(group: ComparisonGroup) -> list[DeploymentPair]:
    equal = equal_gpu_pairs(group)
    return [*equal, *(pair for pair in claimed_pairs(group) if pair not in equal)]


def _sentence(group: ComparisonGroup, pair: DeploymentPair) -> Words | None:
    ratios = {name: pair.ratios[name] for name in HEADLINES if name in pair.ratios}
    told = {name: ratio for name, ratio in ratios.items() if ratio.ratio.value is not None}
    if not told:
        return None
    n = min(min(ratio.n_baseline, ratio.n_other) for ratio in told.values())
    english = "; ".join(f"{_name_in_english(name, ratio)} {_in_english(ratio)}" for name, ratio in told.items())
    chinese = "；".join(f"{_name_in_chinese(name, ratio)} {_in_chinese(ratio)}" for name, ratio in told.items())
    return Words(
        f"{group.workload}, {group.point}: {pair.other} against {pair.baseline}: {english}; n = {n}.",
        f"{group.workload}，{group.point}：{pair.other} 与 {pair.baseline} 相比，{chinese}；n = {n}。",
    )


def _name_in_english(name: str, ratio: MetricRatio) -> str:
    words = METRICS[name].label
    words = words if words[:2].isupper() else words[0].lower() + words[1:]
    return f"{words} per GPU" if ratio.per_gpu else words


def _name_in_chinese(name: str, ratio: MetricRatio) -> str:
    return f"{'每 GPU ' if ratio.per_gpu else ''}{words_of('metric', name).zh}"


def _in_english(ratio: MetricRatio) -> str:
    if ratio.conclusion == "no_conclusion":
        return f"differs {ratio.launches_differ_factor or 1:.1f}x between launches: no conclusion{_star(ratio)}"
    return f"{_times(ratio)}{'' if ratio.conclusion in DECIDED else ' (not significant)'}{_star(ratio)}"


def _in_chinese(ratio: MetricRatio) -> str:
    if ratio.conclusion == "no_conclusion":
        return f"各次启动相差 {ratio.launches_differ_factor or 1:.1f} 倍，无法下结论{_star(ratio)}"
    return f"{_times(ratio)}{'' if ratio.conclusion in DECIDED else '（不显著）'}{_star(ratio)}"


def _times(ratio: MetricRatio) -> str:
    """Return `×0.940 [0.910, 0.970]`."""
    own = ratio.ratio
    interval = "" if own.low is None or own.high is None else f" [{ratio_number(own.low)}, {ratio_number(own.high)}]"
    return f"×{ratio_number(own.value or 0.0)}{interval}"


def _star(ratio: MetricRatio) -> str:
    return "" if ratio.valid else " *"
