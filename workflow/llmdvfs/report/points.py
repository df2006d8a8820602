"""Means over server starts as the page draws them: one for each deployment, workload and operating point."""

from collections.abc import Iterator, Sequence
from typing import Any

from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import ComparisonRecord, DeploymentSummary, MetricSummary

DIGITS = 5


def chart_points(record: ComparisonRecord, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield plain data for each point: where it lies, and for every metric mean, interval and starts as shown."""
    for group in record.groups:
        for deployment in group.deployments:
            yield {
                "deployment": deployment.id,
                "architecture": deployment.architecture,
                "workload": group.workload,
                "sweep": group.sweep,
                "point": group.point,
                "batch": group.batch_size,
                "clock": _clock_mhz(deployment),
                "metrics": {
                    name: _metric(deployment.metrics[name], METRICS[name].per_unit)
                    for name in metrics
                    if deployment.metrics[name].mean.value is not None
                },
            }


def _clock_mhz(deployment: DeploymentSummary) -> float | None:
    """Return the core clock that was applied: prefill's where the roles have clocks of their own; None: none was."""
    clocks = deployment.sm_clock_mhz
    return clocks.get("prefill", max(clocks.values())) if clocks else None


def _metric(own: MetricSummary, per_unit: float) -> dict[str, Any]:
    launches = [launch for launch in own.by_launch if launch.value is not None and launch.applied]
    return {
        "mean": _shown(own.mean.value, per_unit),
        "low": _shown(own.mean.low, per_unit),
        "high": _shown(own.mean.high, per_unit),
        "n": own.n,
        "valid": all(launch.valid for launch in launches),
        "launches": [[launch.launch, _shown(launch.value, per_unit), launch.valid] for launch in launches],
    }


def _shown(value: float | None, per_unit: float) -> float | None:
    return None if value is None else float(f"{value * per_unit:.{DIGITS}g}")
