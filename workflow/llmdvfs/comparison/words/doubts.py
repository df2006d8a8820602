"""What doubtful launches change, and what is still open: a sentence for each workload and operating point."""

from collections.abc import Iterator

from llmdvfs.records.compared import FAMILY, METRICS
from llmdvfs.records.comparison import MAX_MORE_LAUNCHES, ComparisonRecord, MetricRatio
from llmdvfs.records.comparison_text import baseline_pairs, ratio_number
from llmdvfs.records.counted import counted
from llmdvfs.records.short_names import ShortNames


def sensitivity(record: ComparisonRecord) -> Iterator[str]:
    """Yield for each workload which ratios say something else when launches with a failed gate are left out."""
    short = ShortNames(record.groups)
    for group in record.groups:
        doubtful = [
            (pair.other, name, ratio)
            for pair in baseline_pairs(group)
            for name in FAMILY
            if (ratio := pair.ratios.get(name)) and ratio.without_doubtful is not None
        ]
        changed = [
            f"{METRICS[name].label} of {short(other)} {_estimate(ratio)}"
            for other, name, ratio in doubtful
            if _is_moved(ratio)
        ]
        if changed:
            yield f"{group.workload}, {group.point}: without the launches marked * : {'; '.join(changed)}"
        elif doubtful:
            yield f"{group.workload}, {group.point}: without the launches marked * no ratio leaves its interval"


def more_launches(record: ComparisonRecord) -> Iterator[str]:
    """Yield for each workload about how many more launches would decide what is undecided."""
    for group in record.groups:
        needed = [
            (ratio.num_more_launches, METRICS[name].label)
            for pair in baseline_pairs(group)
            for name in FAMILY
            if (ratio := pair.ratios.get(name)) and ratio.num_more_launches
        ]
        if needed:
            fewest, most = min(needed), max(needed)
            few = f"about {_launches(fewest[0])} would tell of {fewest[1]}"
            yield f"{group.workload}, {group.point}: {few}" + (
                f", about {_launches(most[0])} of {most[1]}" if most[0] > fewest[0] else ""
            )


def _launches(more: int) -> str:
    if more == MAX_MORE_LAUNCHES:
        return f"{more} launches or more"
    return counted(more, "more launch")


def _is_moved(ratio: MetricRatio) -> bool:
    """Return whether the ratio of the sound launches lies outside the interval of all of them."""
    sound, every = ratio.without_doubtful, ratio.ratio
    if sound is None or sound.value is None or every.low is None or every.high is None:
        return False
    return not every.low <= sound.value <= every.high


def _estimate(ratio: MetricRatio) -> str:
    sound = ratio.without_doubtful
    if sound is None or sound.value is None or ratio.ratio.value is None:
        return "-"
    return f"{ratio_number(sound.value)}x instead of {ratio_number(ratio.ratio.value)}x"
