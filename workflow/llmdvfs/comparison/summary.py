"""Summarises one deployment at one workload and operating point over its server starts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from llmdvfs.comparison.cell_metrics import metric_values
from llmdvfs.comparison.likeness import num_gpus
from llmdvfs.comparison.statistics import log_mean, mean_interval, usual_elsewhere
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import DeploymentSummary, LaunchValue, MetricSummary
from llmdvfs.records.result import CellResult, Estimate
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId

Measured = tuple[CellResult, RunRecord]


def summarise(cells: Sequence[Measured], without_result: Iterable[CellId] = ()) -> DeploymentSummary:
    """Return the summary of these cells, which share deployment, workload and operating point.

    without_result: planned cells that have no result. A launch in which the operating point was not applied ran at
    other clocks: it is kept, and is in no mean.
    """
    result, run = cells[0]
    values = [(cell, run.applied_point.is_as_asked, metric_values(cell)) for cell, run in cells]
    as_applied = next((run.applied_point for _, run in cells if run.applied_point.state == "applied"), None)
    return DeploymentSummary(
        id=result.cell.deployment,
        architecture=run.deployment.architecture,
        model=run.deployment.model.name,
        num_gpus=num_gpus([run for _, run in cells]),
        num_without_result=sum(_same_but_launch(cell, result.cell) for cell in without_result),
        metrics={
            name: of_launches(
                (
                    LaunchValue(cell.cell.launch, cell.server_start_id, every[name], cell.valid, applied)
                    for cell, applied, every in values
                ),
                metric.most,
            )
            for name, metric in METRICS.items()
        },
        sm_clock_mhz=as_applied.by_role("sm_clock_mhz") if as_applied else {},
        memory_clock_mhz=as_applied.by_role("memory_clock_mhz") if as_applied else {},
        power_limit_w=as_applied.by_role("power_limit_w") if as_applied else {},
        sm_clock_min_mhz=as_applied.by_role("sm_clock_min_mhz") if as_applied else {},
        not_applied_launches=tuple(cell.cell.launch for cell, applied, _ in values if not applied),
    )


def with_shrunk_intervals(deployments: Sequence[DeploymentSummary]) -> list[DeploymentSummary]:
    """Return the same deployments, each mean's interval made with the others' spreads of the metric.

    deployments: of all workloads and operating points. Arithmetic means keep Student's interval.
    """
    shrunk: list[dict[str, MetricSummary]] = [{} for _ in deployments]
    for name, metric in METRICS.items():
        of_name = [deployment.metrics[name] for deployment in deployments]
        means = [
            log_mean(values) if own.statistic == "geometric" and (values := replicates(own.by_launch)) else None
            for own in of_name
        ]
        usual = usual_elsewhere([mean.spread if mean else None for mean in means])
        for index, (own, mean) in enumerate(zip(of_name, means, strict=True)):
            interval = mean.shrunk(usual[index]).interval() if mean else own.mean
            shrunk[index][name] = replace(own, mean=_possible(interval, metric.most))
    return [replace(own, metrics=metrics) for own, metrics in zip(deployments, shrunk, strict=True)]


def of_launches(launches: Iterable[LaunchValue], most: float | None = None) -> MetricSummary:
    """Return one metric of a deployment over its server starts, with the interval that they alone give.

    most: the metric's highest possible value, if it has one.
    """
    by_launch = tuple(launches)
    of_starts = replicates(by_launch)
    # A share may be 0 in a launch; what is above 0 in all of them has the mean that its ratios have too.
    geometric = bool(of_starts) and all(value > 0 for value in of_starts)
    return MetricSummary(
        by_launch=by_launch,
        n=len(of_starts),
        sd=stdev(of_starts) if len(of_starts) > 1 else None,
        mean=_possible(log_mean(of_starts).interval() if geometric else mean_interval(of_starts), most),
        statistic="geometric" if geometric or not of_starts else "arithmetic",
        lowest=min(of_starts, default=None),
        highest=max(of_starts, default=None),
    )


def replicates(by_launch: Iterable[LaunchValue]) -> list[float]:
    """Return one value a server start: the mean of the cells that shared its servers.

    Cells that did not run at their operating point are left out.
    """
    by_start: dict[str, list[float]] = defaultdict(list)
    for launch in by_launch:
        if launch.value is not None and launch.applied:
            by_start[launch.server_start_id].append(launch.value)
    return [fmean(values) for values in by_start.values()]


def _possible(mean: Estimate, most: float | None) -> Estimate:
    """Return the mean with its interval cut to values that can be, which holds the true one no less often.

    A mean beyond `most` itself, by a rounding of the telemetry, stays within its interval.
    """
    if mean.value is None or mean.low is None or mean.high is None:
        return mean
    high = mean.high if most is None else min(mean.high, max(most, mean.value))
    return replace(mean, low=max(mean.low, 0.0), high=high)


def _same_but_launch(a: CellId, b: CellId) -> bool:
    return (a.deployment, a.workload, a.point) == (b.deployment, b.workload, b.point)
