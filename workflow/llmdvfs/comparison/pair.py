"""Two deployments compared: like with like only, metric by metric, as ratios with intervals."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from llmdvfs.comparison.arm import Measured, replicates
from llmdvfs.comparison.likeness import caveats, differences
from llmdvfs.comparison.statistics import paired_ratio, unpaired_ratio
from llmdvfs.records.comparison import METRICS, Arm, ArmPair, LaunchRatio, LaunchValue, MetricRatio
from llmdvfs.records.result import Estimate
from llmdvfs.records.telemetry import EnergySource

NO_POWER_DATA = "no power data on this machine"


class _Matched(NamedTuple):
    """The same launch of both deployments."""

    launch: int
    baseline: float
    other: float
    valid: bool


def pair(baseline: Arm, other: Arm, baseline_cells: Sequence[Measured], other_cells: Sequence[Measured]) -> ArmPair:
    """Return other / baseline of every metric, or the differences for which the comparison is refused."""
    baseline_runs, other_runs = ([run for _, run in cells] for cells in (baseline_cells, other_cells))
    refused = differences(baseline_runs, other_runs)
    if refused:
        return ArmPair(baseline.deployment, other.deployment, refused, (), {})
    sources = {result.energy.source for cells in (baseline_cells, other_cells) for result, _ in cells}
    no_energy = _why_no_energy_ratio(sources)
    return ArmPair(
        baseline=baseline.deployment,
        other=other.deployment,
        differences=(),
        caveats=caveats(baseline_runs, other_runs),
        ratios={
            name: _absent(no_energy) if metric.of_energy and no_energy else _ratio(name, baseline, other)
            for name, metric in METRICS.items()
        },
    )


def _why_no_energy_ratio(sources: set[EnergySource]) -> str | None:
    if sources == {"none"}:
        return NO_POWER_DATA
    return f"energy sources differ: {', '.join(sorted(sources))}" if len(sources) > 1 else None


def _absent(reason: str) -> MetricRatio:
    return MetricRatio(Estimate(None, reason=reason), "none", 0, 0, False, True, ())


def _ratio(name: str, baseline: Arm, other: Arm) -> MetricRatio:
    per_gpu = METRICS[name].grows_with_gpus and baseline.num_gpus != other.num_gpus
    ours, theirs = (_values(arm, name, per_gpu) for arm in (baseline, other))
    matched = _matched(ours, theirs)
    if len(matched) > 1:
        ratio = paired_ratio([(m.baseline, m.other) for m in matched])
        shown = tuple(LaunchRatio(m.launch, m.other / m.baseline, m.valid) for m in matched if m.baseline > 0)
        return MetricRatio(ratio, "paired", len(matched), len(matched), per_gpu, all(m.valid for m in matched), shown)
    of_starts = replicates(ours), replicates(theirs)
    for arm, values in zip((baseline, other), of_starts, strict=True):
        if not values:
            return _absent(f"not measured in {arm.deployment}")
    valid = all(launch.valid for launch in (*ours, *theirs))
    ratio = unpaired_ratio(*of_starts)
    return MetricRatio(ratio, "unpaired", len(of_starts[0]), len(of_starts[1]), per_gpu, valid, ())


def _values(arm: Arm, name: str, per_gpu: bool) -> list[LaunchValue]:
    """Return the metric of every launch that has it at the operating point, per GPU if so asked."""
    gpus = (arm.num_gpus or 1) if per_gpu else 1
    return [
        LaunchValue(cell.launch, cell.server_start_id, cell.value / gpus, cell.valid)
        for cell in arm.metrics[name].by_launch
        if cell.value is not None and cell.applied
    ]


def _matched(baseline: Sequence[LaunchValue], other: Sequence[LaunchValue]) -> list[_Matched]:
    """Return launch k against launch k; nothing where a server start stands for several launches: those do not pair."""
    if any(a.server_start_id == b.server_start_id for side in (baseline, other) for a, b in combinations(side, 2)):
        return []
    theirs = {value.launch: value for value in other}
    return [
        _Matched(a.launch, a.value, b.value, a.valid and b.valid)
        for a in baseline
        if (b := theirs.get(a.launch)) and a.value is not None and b.value is not None
    ]
