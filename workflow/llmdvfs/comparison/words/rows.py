"""The comparison as flat rows: of `comparison.csv`, `summary.csv` and the frequency summary."""

from collections.abc import Iterable, Iterator

from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import (
    CellRow,
    ComparisonGroup,
    ComparisonRecord,
    DeploymentPair,
    DeploymentSummary,
    LaunchValue,
)
from llmdvfs.records.point import GpuSetting

Row = dict[str, str | int | float | None]


def comparison_rows(record: ComparisonRecord) -> list[Row]:
    """Return the rows of `comparison.csv`: one a cell, those without a result too; None is an empty field."""
    return [
        {
            "deployment": row.cell.deployment,
            "architecture": row.architecture,
            "workload": row.cell.workload,
            "point": row.cell.point,
            "launch": row.cell.launch,
            "status": row.status,
            "gate": _gate_of(row),
            "failed_gates": " ".join(row.failed_gates) or None,
            "reason": row.reason,
            "point_state": row.point_state,
            **_setting_columns(row.settings),
            "server_start_id": row.server_start_id,
            "energy_source": row.energy_source,
            **row.values,
        }
        for row in record.cells
    ]


def summary_rows(record: ComparisonRecord) -> list[Row]:
    """Return a row a deployment, workload and operating point: mean, sd and 95 % interval over server starts."""
    return [_summary_row(group, deployment) for group in record.groups for deployment in group.deployments]


def tidy_rows(record: ComparisonRecord) -> Iterator[Row]:
    """Yield the rows of `summary.csv`, one a value, in SI units.

    A value is that of a launch, a mean over launches, or a ratio to the baseline. `gate` is `passed`, or `failed` where
    a gate failed in any of the launches behind the value. Values that were not measured have no row.
    """
    for group in record.groups:
        for deployment in group.deployments:
            for name, metric in deployment.metrics.items():
                yield from (
                    _tidy(group, deployment.id, name, "launch", launch.value, valid=launch.valid, launch=launch.launch)
                    for launch in metric.by_launch
                    if launch.value is not None and launch.applied
                )
                if metric.mean.value is not None:
                    yield _tidy(
                        group,
                        deployment.id,
                        name,
                        f"{metric.statistic} mean",
                        metric.mean.value,
                        valid=_all_valid(metric.by_launch),
                        low=metric.mean.low,
                        high=metric.mean.high,
                        n=metric.n,
                    )
        for pair in group.pairs:
            yield from _tidy_ratios(group, pair)


def _tidy_ratios(group: ComparisonGroup, pair: DeploymentPair) -> Iterator[Row]:
    for name, ratio in pair.ratios.items():
        if ratio.ratio.value is not None:
            yield _tidy(
                group,
                pair.other,
                name,
                "ratio per GPU" if ratio.per_gpu else "ratio",
                ratio.ratio.value,
                valid=ratio.valid,
                low=ratio.ratio.low,
                high=ratio.ratio.high,
                n=min(ratio.n_baseline, ratio.n_other),
                baseline=pair.baseline,
                p_value=ratio.adjusted_p_value,
                conclusion=ratio.conclusion,
            )


def _tidy(
    group: ComparisonGroup,
    deployment: str,
    name: str,
    kind: str,
    value: float,
    *,
    valid: bool,
    **more: str | float | None,
) -> Row:
    return {
        "workload": group.workload,
        "point": group.point,
        "batch_size": group.batch_size,
        "deployment": deployment,
        "metric": name,
        "label": METRICS[name].label,
        "better": METRICS[name].better,
        "kind": kind,
        "value": value,
        **dict.fromkeys(("low", "high", "n", "launch", "baseline", "p_value", "conclusion")),
        **more,
        "gate": "passed" if valid else "failed",
    }


def _all_valid(by_launch: Iterable[LaunchValue]) -> bool:
    return all(launch.valid for launch in by_launch if launch.applied and launch.value is not None)


def _gate_of(row: CellRow) -> str | None:
    return {"ok": "passed", "gate_failed": "failed", "no_result": None}[row.status]


def _summary_row(group: ComparisonGroup, deployment: DeploymentSummary) -> Row:
    row: Row = {
        "deployment": deployment.id,
        "architecture": deployment.architecture,
        "workload": group.workload,
        "point": group.point,
        "batch_size": group.batch_size,
        **{f"sm_clock_{role}_mhz": clock for role, clock in group.sm_clock_mhz.items()},
        **{f"sm_clock_min_{role}_mhz": clock for role, clock in group.sm_clock_min_mhz.items()},
        **{f"memory_clock_{role}_mhz": clock for role, clock in group.memory_clock_mhz.items()},
        **{f"power_limit_{role}_w": limit for role, limit in group.power_limit_w.items()},
        **{f"applied_sm_clock_{role}_mhz": clock for role, clock in deployment.sm_clock_mhz.items()},
        **{f"applied_sm_clock_min_{role}_mhz": clock for role, clock in deployment.sm_clock_min_mhz.items()},
        **{f"applied_memory_clock_{role}_mhz": clock for role, clock in deployment.memory_clock_mhz.items()},
        **{f"applied_power_limit_{role}_w": limit for role, limit in deployment.power_limit_w.items()},
        "num_not_applied": len(deployment.not_applied_launches),
        "num_gpus": deployment.num_gpus,
        "num_without_result": deployment.num_without_result,
        "num_gate_failed": sum(not launch.valid for launch in deployment.metrics["failed_fraction"].by_launch),
    }
    for name, metric in deployment.metrics.items():
        row |= {
            f"{name}_mean": metric.mean.value,
            f"{name}_sd": metric.sd,
            f"{name}_low": metric.mean.low,
            f"{name}_high": metric.mean.high,
            f"{name}_n": metric.n,
        }
    return row


def _setting_columns(settings: Iterable[GpuSetting]) -> Row:
    """Return what was applied to each role; no columns where nothing was."""
    row: Row = {}
    for setting in settings:
        row |= {
            f"applied_sm_clock_{setting.role}_mhz": setting.sm_clock_mhz,
            f"applied_memory_clock_{setting.role}_mhz": setting.memory_clock_mhz,
            f"applied_power_limit_{setting.role}_w": setting.power_limit_w,
        }
        if setting.sm_clock_min_mhz is not None:
            row[f"applied_sm_clock_min_{setting.role}_mhz"] = setting.sm_clock_min_mhz
    return row
