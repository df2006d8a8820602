"""The comparison as flat rows (`comparison.csv`, the frequency summary) and as a short table for the terminal."""

from collections.abc import Iterator

from llmdvfs.records.comparison import METRICS, Arm, ArmMetric, ComparisonGroup, ComparisonRecord, Metric, MetricRatio

Row = dict[str, str | int | float | None]

TABLE_METRICS = (
    "ttft_p50_s",
    "tpot_mean_s",
    "e2e_mean_s",
    "output_token_rate_per_s",
    "energy_per_output_token_j",
    "mean_power_w",
    "kv_transfer_mean_s",
    "external_kv_fraction",
    "failed_fraction",
)


def comparison_rows(record: ComparisonRecord) -> list[Row]:
    """Return `comparison.csv`: one row a cell, cells without a result included; None is an empty field."""
    return [
        {
            "deployment": row.cell.deployment,
            "architecture": row.architecture,
            "workload": row.cell.workload,
            "point": row.cell.point,
            "launch": row.cell.launch,
            "status": row.status,
            "reason": row.reason,
            "server_start_id": row.server_start_id,
            "energy_source": row.energy_source,
            **row.values,
        }
        for row in record.cells
    ]


def summary_rows(record: ComparisonRecord) -> list[Row]:
    """Return one row a deployment, workload and operating point: mean, sd and 95 % interval over server starts."""
    return [_summary_row(group, arm) for group in record.groups for arm in group.arms]


def comparison_table(record: ComparisonRecord) -> str:
    """Return the table that ends a run: a line a metric, a column a deployment, then the ratio with its interval."""
    blocks = ["\n".join(_group_lines(group)) for group in record.groups]
    failed = [row for row in record.cells if row.status != "ok"]
    notes = [f"{row.cell.folder()}: {row.status}: {row.reason}" for row in failed]
    notes += [record.energy_note] if record.energy_note else []
    notes += record.warnings
    return "\n\n".join([*blocks, *(["\n".join(f"! {note}" for note in notes)] if notes else [])]) + "\n"


def _summary_row(group: ComparisonGroup, arm: Arm) -> Row:
    row: Row = {
        "deployment": arm.deployment,
        "architecture": arm.architecture,
        "workload": group.workload,
        "point": group.point,
        "batch_size": group.batch_size,
        **{f"sm_clock_{role}_mhz": clock for role, clock in group.sm_clock_mhz.items()},
        "num_gpus": arm.num_gpus,
        "num_without_result": arm.num_without_result,
    }
    for name, metric in arm.metrics.items():
        row |= {
            f"{name}_mean": metric.mean.value,
            f"{name}_sd": metric.sd,
            f"{name}_low": metric.mean.low,
            f"{name}_high": metric.mean.high,
            f"{name}_n": metric.n,
        }
    return row


def _group_lines(group: ComparisonGroup) -> Iterator[str]:
    """Lines of one workload and operating point; every other deployment is compared with the first."""
    pairs = [pair for pair in group.pairs if pair.baseline == group.arms[0].deployment]
    header = [f"{group.workload}, {group.point}"]
    header += [f"{arm.deployment} (n={arm.metrics['failed_fraction'].n})" for arm in group.arms]
    header += [f"{pair.other} / {pair.baseline}" for pair in pairs if not pair.differences]
    rows = [header]
    for name in TABLE_METRICS:
        cells = [_mean_text(METRICS[name], arm.metrics[name]) for arm in group.arms]
        ratios = [_ratio_text(pair.ratios[name]) for pair in pairs if not pair.differences]
        if any(cells):
            rows.append([_label(METRICS[name]), *cells, *ratios])
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    for pair in pairs:
        for difference in pair.differences:
            yield f"! {pair.other} is not compared with {pair.baseline}: {difference}"
        for caveat in pair.caveats:
            yield f"! {caveat}"


def _label(metric: Metric) -> str:
    return f"{metric.label} ({metric.unit})" if metric.unit else metric.label


def _mean_text(metric: Metric, summary: ArmMetric) -> str:
    """Mean and half width of its interval; `*` where a gate failed in one of the launches."""
    mean = summary.mean
    if mean.value is None:
        return ""
    mark = "" if all(launch.valid for launch in summary.by_launch) else " *"
    if mean.low is None:
        return f"{_number(mean.value * metric.per_unit)}{mark}"
    half = (mean.value - mean.low) * metric.per_unit
    return f"{_number(mean.value * metric.per_unit)} ± {_number(half)}{mark}"


def _ratio_text(metric: MetricRatio) -> str:
    ratio = metric.ratio
    if ratio.value is None:
        return "-"
    per_gpu = " per GPU" if metric.per_gpu else ""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.3f}{per_gpu}"
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]{per_gpu}"


def _number(value: float) -> str:
    """Three significant digits without an exponent in the usual range."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
        return f"{value:.{digits}f}"
    return f"{value:.2e}"
