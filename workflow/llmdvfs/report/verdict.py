"""What the page says first: each deployment against the baseline, in sentences with intervals."""

from dataclasses import dataclass

from llmdvfs.records.comparison import METRICS, ArmPair, ComparisonGroup, ComparisonRecord, MetricRatio
from llmdvfs.records.comparison_text import baseline_pairs
from llmdvfs.report.words import Words, words_of

HEADLINES = ("energy_per_output_token_j", "output_token_rate_per_s", "ttft_p50_s", "tpot_mean_s")
"""What a reader asks first, in this order."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences on the deployments that can be compared, and why others are not."""

    sentences: tuple[Words, ...]
    refused: tuple[str, ...]
    caveats: tuple[str, ...]


def verdict(record: ComparisonRecord) -> Verdict:
    """Return a sentence for each deployment at each workload and point, of the headline metrics that both sides have.

    Stock and the largest load come first: the page shows the first few, and the rest on demand.
    """
    groups = sorted(record.groups, key=lambda group: (group.asks_for_something, -(group.batch_size or 0)))
    pairs = [(group, pair) for group in groups for pair in baseline_pairs(group)]
    told = (_sentence(group, pair) for group, pair in pairs if not pair.differences)
    refused = (f"{pair.other} / {pair.baseline}: {difference}" for _, pair in pairs for difference in pair.differences)
    caveats = (caveat for _, pair in pairs for caveat in pair.caveats)
    notes = (*caveats, *record.warnings, *([record.energy_note] if record.energy_note else []))
    return Verdict(
        sentences=tuple(sentence for sentence in told if sentence),
        refused=tuple(dict.fromkeys(refused)),
        caveats=tuple(dict.fromkeys(notes)),
    )


def _sentence(group: ComparisonGroup, pair: ArmPair) -> Words | None:
    ratios = {name: pair.ratios[name] for name in HEADLINES if name in pair.ratios}
    told = {name: ratio for name, ratio in ratios.items() if ratio.ratio.value is not None}
    if not told:
        return None
    n = min(min(ratio.n_baseline, ratio.n_other) for ratio in told.values())
    english = "; ".join(_in_english(name, ratio) for name, ratio in told.items())
    chinese = "；".join(_in_chinese(name, ratio) for name, ratio in told.items())
    doubt = all(ratio.valid for ratio in told.values())
    return Words(
        f"{group.workload}, {group.point}: {pair.other} against {pair.baseline} has {english} (n = {n})"
        + ("." if doubt else "; a gate failed behind it."),
        f"{group.workload}，{group.point}：{pair.other} 与 {pair.baseline} 相比，{chinese}（n = {n}）"
        + ("。" if doubt else "；其中有检验未通过。"),
    )


def _in_english(name: str, ratio: MetricRatio) -> str:
    words = METRICS[name].label
    words = words if words[:2].isupper() else words[0].lower() + words[1:]
    return f"{_change(ratio)} {'per GPU ' if ratio.per_gpu else ''}{words}"


def _in_chinese(name: str, ratio: MetricRatio) -> str:
    return f"{'每 GPU ' if ratio.per_gpu else ''}{words_of('metric', name).zh} {_change(ratio)}"


def _change(ratio: MetricRatio) -> str:
    """Return `x0.94 [0.91, 0.97]`; a tilde where the interval holds 1, or there is none."""
    own = ratio.ratio
    if own.low is None or own.high is None:
        return f"~ ×{own.value:.3g}"
    sign = "~ " if own.low <= 1 <= own.high else ""
    return f"{sign}×{own.value:.3g} [{own.low:.3g}, {own.high:.3g}]"
