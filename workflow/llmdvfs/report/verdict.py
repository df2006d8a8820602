"""What the page says first: the comparison's verdict, and a sentence for every pair, in both languages."""

from collections.abc import Iterable
from dataclasses import dataclass

from llmdvfs.records.comparison import ComparisonGroup, ComparisonRecord, DeploymentPair
from llmdvfs.records.comparison_text import claimed_pairs
from llmdvfs.records.verdict_text import pair_sentences, verdict
from llmdvfs.report.sentences import in_both
from llmdvfs.report.words import Words


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sentences on the deployments that can be compared, and why others are not."""

    headlines: tuple[Words, ...]
    """Those of summary.txt."""
    sentences: tuple[Words, ...]
    """One for each pair, workload and operating point, the busiest loads first."""
    refused: tuple[Words, ...]
    caveats: tuple[Words, ...]


def verdict_of(record: ComparisonRecord) -> Verdict:
    """Return the verdict of a comparison, as the summary has it, with the same sentence of every related pair."""
    ordered = sorted(record.groups, key=_busiest_first)
    pairs = [pair for group in ordered for pair in claimed_pairs(group)]
    refused = (_refusal(pair, difference) for pair in pairs for difference in pair.differences)
    caveats = (caveat for pair in pairs for caveat in pair.caveats)
    notes = (*caveats, *record.warnings, *([record.energy_note] if record.energy_note else []))
    return Verdict(
        headlines=_both(record.verdict, verdict(record.groups, "zh")),
        sentences=tuple(
            sentence
            for group in ordered
            for sentence in _both(
                pair_sentences(group, record.groups, "en"), pair_sentences(group, record.groups, "zh")
            )
        ),
        refused=tuple(dict.fromkeys(refused)),
        caveats=tuple(map(in_both, dict.fromkeys(notes))),
    )


def _refusal(pair: DeploymentPair, difference: str) -> Words:
    names, why = f"{pair.other} / {pair.baseline}", in_both(difference)
    return Words(f"{names}: {why.en}", f"{names}：{why.zh}")


def _both(english: Iterable[str], chinese: Iterable[str]) -> tuple[Words, ...]:
    return tuple(Words(en, zh) for en, zh in zip(english, chinese, strict=True))


def _busiest_first(group: ComparisonGroup) -> tuple[int, bool, int]:
    related = sum(bool(pair.ratios) for pair in claimed_pairs(group))
    return -related, group.asks_for_something, -(group.batch_size or 0)
