"""The comparison as rows of the page's tables: the texts that are shown, and what they are sorted by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from llmdvfs.records.compared import METRICS, Metric
from llmdvfs.records.comparison import CellRow, ComparisonRecord, MetricRatio, MetricSummary
from llmdvfs.records.comparison_text import claimed_pairs, mean_text, ratio_text
from llmdvfs.records.verdict_words import CHINESE
from llmdvfs.report.cells import ReportedStudy
from llmdvfs.report.words import Words


@dataclass(frozen=True, slots=True)
class Shown:
    """One field of a row: what is shown, and what it is sorted by."""

    text: Words
    sort: float | str | None = None
    """None: there is no value, and the row comes last."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: `named` are its words (deployment, workload ...), `fields` its numbers."""

    named: tuple[str, ...]
    fields: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class CellLine:
    """One cell, with the paths of its records relative to the page."""

    row: CellRow
    anchor: str
    fields: tuple[Shown, ...]
    raw: str
    result: str | None
    """None: the cell has no result."""
    folder: str


CELL_METRICS = ("ttft_p50_s", "output_token_rate_per_s", "mean_power_w", "energy_per_output_token_j")


def measured_metrics(record: ComparisonRecord) -> list[str]:
    """Return the metrics that any deployment has a value of, in the order of METRICS."""
    return [
        name
        for name in METRICS
        if any(
            deployment.metrics[name].mean.value is not None
            for group in record.groups
            for deployment in group.deployments
        )
    ]


def mean_rows(record: ComparisonRecord, metrics: Sequence[str]) -> list[Row]:
    """Return a row for each deployment at each workload and operating point: its number of starts, then the means."""
    rows = []
    for group in record.groups:
        for deployment in group.deployments:
            starts = deployment.metrics["failed_fraction"].n
            means = [_mean(METRICS[name], deployment.metrics[name], starts) for name in metrics]
            rows.append(Row((deployment.id, group.workload, group.point), (_count(starts), *means)))
    return rows


def ratio_rows(record: ComparisonRecord) -> list[Row]:
    """Return a row for each ratio that claims are made of.

    Its words are both deployments, workload, point and metric; its numbers are the ratio and n.
    """
    rows = []
    for group in record.groups:
        for pair in claimed_pairs(group):
            for name, ratio in pair.ratios.items():
                if ratio.ratio.value is not None:
                    named = (pair.other, pair.baseline, group.workload, group.point, name)
                    rows.append(Row(named, (_ratio(ratio), _count(ratio.fewest_launches))))
    return rows


def _mean(metric: Metric, summary: MetricSummary, starts: int) -> Shown:
    text = Words(mean_text(metric, summary, starts), mean_text(metric, summary, starts, CHINESE))
    return Shown(text, summary.mean.value)


def _ratio(ratio: MetricRatio) -> Shown:
    return Shown(Words(ratio_text(ratio), ratio_text(ratio, words=CHINESE)), ratio.ratio.value)


def _count(number: int) -> Shown:
    return Shown(Words(str(number), str(number)), number)


def cell_lines(study: ReportedStudy) -> Iterator[CellLine]:
    """Yield every planned cell with the paths of its records; one without a result leads to why it has none."""
    for row in study.comparison.cells:
        folder = "cells/" + quote(row.cell.folder())
        measured = row.status != "no_result"
        yield CellLine(
            row=row,
            anchor=row.cell.folder(),
            fields=tuple(_cell_field(row, name) for name in CELL_METRICS),
            raw=f"{folder}/raw/",
            result=f"{folder}/result.json" if measured else None,
            folder=f"{folder}/",
        )


def _cell_field(row: CellRow, name: str) -> Shown:
    value = row.values.get(name)
    text = "-" if value is None else f"{value * METRICS[name].per_unit:.4g}"
    return Shown(Words(text, text), value)
