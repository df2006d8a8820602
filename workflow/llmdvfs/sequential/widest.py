"""Finds the widest interval among those that a study wants narrow."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from llmdvfs.errors import DataError
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonRecord
from llmdvfs.records.comparison_text import claimed_pairs
from llmdvfs.records.result import Estimate


@dataclass(frozen=True, slots=True)
class Width:
    """How far one interval reaches above its middle, and which interval that is."""

    half_width_fraction: float | None
    """As a fraction of the middle; None: there is no interval, as with a single launch."""
    what: str
    """The metric, what it is of, and where, in words."""

    @property
    def sort_key(self) -> float:
        """Return the half width; a missing interval counts as wider than any."""
        return float("inf") if self.half_width_fraction is None else self.half_width_fraction

    def __str__(self) -> str:
        half = self.half_width_fraction
        return f"{'no interval' if half is None else f'±{100 * half:.1f} %'} of {self.what}"


def widest(record: ComparisonRecord, metrics: Collection[str]) -> Width:
    """Return the widest interval of these metrics: of the ratios that tables claim, else of the deployments' means.

    Ratios count where there is any pair of deployments that may be related. Raises DataError where nothing of the
    metrics was measured.
    """
    found = list(_of_ratios(record, metrics)) or list(_of_means(record, metrics))
    if not found:
        raise DataError(
            f"sequential.metrics: none of {', '.join(metrics)} was measured in {len(record.cells)} cells; expected "
            "metrics with values: see comparison/summary.md for those that there are"
        )
    return max(found, key=lambda one: one.sort_key)


def _of_ratios(record: ComparisonRecord, metrics: Collection[str]) -> Iterator[Width]:
    for group in record.groups:
        for pair in claimed_pairs(group):
            for name in metrics:
                ratio = pair.ratios.get(name)
                if ratio is not None and ratio.ratio.value is not None:
                    what = f"{METRICS[name].label}, {pair.other} / {pair.baseline}"
                    yield Width(_half_width(ratio.ratio), f"{what} at {group.workload}, {group.point}")


def _of_means(record: ComparisonRecord, metrics: Collection[str]) -> Iterator[Width]:
    for group in record.groups:
        for deployment in group.deployments:
            for name in metrics:
                mean = deployment.metrics[name].mean
                if mean.value is not None:
                    what = f"{METRICS[name].label}, {deployment.id}"
                    yield Width(_half_width(mean), f"{what} at {group.workload}, {group.point}")


def _half_width(estimate: Estimate) -> float | None:
    """Return how far the interval reaches above its middle, as a fraction of that; None: there is no interval."""
    if not estimate.value or estimate.high is None:
        return None
    return estimate.high / estimate.value - 1
