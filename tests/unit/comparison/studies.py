"""Made-up studies with one metric set by hand, for the tests of the comparison."""

from collections.abc import Sequence
from dataclasses import replace

from fakes.records import Toy, fake_cell

from llmdvfs.comparison.groups import compare
from llmdvfs.figures.parts.cell import MeasuredCell
from llmdvfs.records.comparison import ComparisonRecord, MetricRatio


def with_ttft(cell: MeasuredCell, p50_s: float) -> MeasuredCell:
    """Return the cell with another median TTFT."""
    latency = replace(cell.result.latency, ttft_s=replace(cell.result.latency.ttft_s, p50=p50_s))
    return replace(cell, result=replace(cell.result, latency=latency))


def two_deployments(
    single: Sequence[float], other: Sequence[float], *, bad_launches: Sequence[int] = ()
) -> list[MeasuredCell]:
    """Return one instance and a disaggregated deployment with these median TTFTs, one a launch.

    bad_launches: launches of the other deployment in which a gate failed.
    """
    cells = [with_ttft(fake_cell(Toy("single", launch=k, duration_s=0.5)), value) for k, value in enumerate(single, 1)]
    for k, value in enumerate(other, 1):
        toy = Toy("disaggregated", launch=k, duration_s=0.5, gate_fails=k in bad_launches)
        cells.append(with_ttft(fake_cell(toy), value))
    return cells


def compared(cells: Sequence[MeasuredCell]) -> ComparisonRecord:
    """Return the comparison of the cells."""
    return compare([cell.result for cell in cells], [cell.run for cell in cells])


def ttft_ratio(cells: Sequence[MeasuredCell]) -> MetricRatio:
    """Return the ratio of median TTFTs of a study of two deployments at one load."""
    return compared(cells).groups[0].pairs[0].ratios["ttft_p50_s"]
