"""The comparison as flat rows (`comparison.csv`, the frequency summary) and as a short table for the terminal."""

from collections.abc import Iterable, Iterator

from llmdvfs.records.comparison import Arm, CellRow, ComparisonGroup, ComparisonRecord
from llmdvfs.records.comparison_text import baseline_pairs, group_table
from llmdvfs.records.point import GpuSetting

Row = dict[str, str | int | float | None]

LEGEND = (
    "geometric mean [95 % interval] over n server starts (arithmetic where a value is 0);\n"
    "ratios of geometric means [95 % interval]; * a gate failed"
)
TABLE_METRICS = (
    "ttft_p50_s",
    "ttft_p99_s",
    "tpot_mean_s",
    "tbt_p99_s",
    "e2e_mean_s",
    "output_token_rate_per_s",
    "goodput_rps",
    "energy_per_output_token_j",
    "prefill_energy_per_prompt_token_j",
    "decode_energy_per_output_token_j",
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
    """Return one row a deployment, workload and operating point: mean, sd and 95 % interval over server starts."""
    return [_summary_row(group, arm) for group in record.groups for arm in group.arms]


def comparison_table(record: ComparisonRecord) -> str:
    """Return the table that ends a run: a line a metric, a column a deployment, then the ratio with its interval."""
    blocks = ["\n".join(_group_lines(group)) for group in record.groups]
    notes = [_status(row) for row in record.cells if row.status != "ok"]
    notes += [*_caveats(record), *record.warnings, *([record.energy_note] if record.energy_note else [])]
    if notes:
        blocks.append("\n".join(f"! {note}" for note in notes))
    return "\n\n".join([LEGEND, *blocks]) + "\n"


def _summary_row(group: ComparisonGroup, arm: Arm) -> Row:
    row: Row = {
        "deployment": arm.deployment,
        "architecture": arm.architecture,
        "workload": group.workload,
        "point": group.point,
        "batch_size": group.batch_size,
        **{f"sm_clock_{role}_mhz": clock for role, clock in group.sm_clock_mhz.items()},
        **{f"sm_clock_min_{role}_mhz": clock for role, clock in group.sm_clock_min_mhz.items()},
        **{f"memory_clock_{role}_mhz": clock for role, clock in group.memory_clock_mhz.items()},
        **{f"power_limit_{role}_w": limit for role, limit in group.power_limit_w.items()},
        **{f"applied_sm_clock_{role}_mhz": clock for role, clock in arm.sm_clock_mhz.items()},
        **{f"applied_sm_clock_min_{role}_mhz": clock for role, clock in arm.sm_clock_min_mhz.items()},
        **{f"applied_memory_clock_{role}_mhz": clock for role, clock in arm.memory_clock_mhz.items()},
        **{f"applied_power_limit_{role}_w": limit for role, limit in arm.power_limit_w.items()},
        "num_not_applied": len(arm.not_applied_launches),
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


def _setting_columns(settings: Iterable[GpuSetting]) -> Row:
    """Return what was applied to each role; nothing was: no columns of it."""
    row: Row = {}
    for setting in settings:
        row |= {
            f"applied_sm_clock_{setting.role}_mhz": setting.sm_clock_mhz,
            f"applied_memory_clock_{setting.role}_mhz": setting.memory_clock_mhz,
            f"applied_power_limit_{setting.role}_w": setting.power_limit_w,
        }
    return row


def _group_lines(group: ComparisonGroup) -> Iterator[str]:
    rows = group_table(group, TABLE_METRICS)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    for pair in baseline_pairs(group):
        for difference in pair.differences:
            yield f"! {pair.other} is not compared with {pair.baseline}: {difference}"


def _status(row: CellRow) -> str:
    """Return what became of a cell in one line; the CSV says what its gates saw."""
    if row.status == "no_result":
        return f"{row.cell.folder()}: failed: {(row.reason or 'cause unknown').splitlines()[0]}"
    return f"{row.cell.folder()}: gate failed: {', '.join(row.failed_gates)}"


def _caveats(record: ComparisonRecord) -> list[str]:
    """Return every caveat once: it mostly holds for all workloads."""
    return list(dict.fromkeys(text for group in record.groups for pair in group.pairs for text in pair.caveats))
