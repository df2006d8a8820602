"""Compares deployments at the same workload and operating point; a server start is one replicate."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.comparison.cell_metrics import metric_values
from llmdvfs.comparison.conclusion import concluded
from llmdvfs.comparison.held_time import held_time
from llmdvfs.comparison.isolation import isolation_checks
from llmdvfs.comparison.likeness import several_hosts, unlike_gpus
from llmdvfs.comparison.neighbours import disturbed
from llmdvfs.comparison.order import cell_order, deployment_order
from llmdvfs.comparison.pair import NO_POWER_DATA, PairDraft, draft, finish
from llmdvfs.comparison.remarks import cell_warnings, mixed_launches, points_not_applied
from llmdvfs.comparison.summary import Measured, summarise, with_shrunk_intervals
from llmdvfs.comparison.sweeps import sweep_names
from llmdvfs.errors import DataError
from llmdvfs.records.compared import METRICS
from llmdvfs.records.comparison import CellRow, ComparisonGroup, ComparisonRecord
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId
from llmdvfs.records.verdict_text import verdict

MARGIN_FRACTION = 0.05  # what counts as no loss: about what server starts of one deployment differ by

GroupDraft = tuple[ComparisonGroup, list[PairDraft]]
"""A group without its pairs, and what they are made of."""


def compare(
    results: Sequence[CellResult],
    runs: Sequence[RunRecord],
    without_result: Mapping[CellId, str] | None = None,
    baseline: str | None = None,
    *,
    unlike: bool = False,
    margin_fraction: float = MARGIN_FRACTION,
) -> ComparisonRecord:
    """Return every cell as a row, every deployment's means over its starts, and the ratios between deployments.

    results: of all cells. runs: their run.json, matched by key. without_result: planned cells that failed, and why.
    baseline: the architecture that others are compared with, e.g. `replicated-2`; None: the simplest one. unlike:
    whether to compare also what is not alike, and say so. margin_fraction: a ratio that is within it of 1 counts as
    equal.
    """
    missing = dict(without_result or {})
    measured = _matched(results, runs)
    cells = [_row(result, run) for result, run in measured] + [_missing_row(cell, why) for cell, why in missing.items()]
    groups, family_size = concluded(with_ratios(_drafts(measured, missing, baseline, unlike=unlike), margin_fraction))
    no_energy = bool(results) and all(result.energy.source == "none" for result in results)
    return ComparisonRecord(
        groups=tuple(groups),
        cells=tuple(sorted(cells, key=lambda row: cell_order(row.cell))),
        energy_note=NO_POWER_DATA if no_energy else None,
        warnings=(
            *points_not_applied(measured),
            *unlike_gpus(run for _, run in measured),
            *several_hosts(run for _, run in measured),
            *disturbed(measured),
            *mixed_launches(measured),
            *cell_warnings(measured),
        ),
        verdict=verdict(groups),
        margin_fraction=margin_fraction,
        family_size=family_size,
        modelled=any(run.is_modelled for _, run in measured),
        isolation=tuple(isolation_checks(sorted(measured, key=lambda own: cell_order(own[0].cell)))),
        held=held_time(run for _, run in measured),
    )


def _drafts(
    measured: Iterable[Measured], missing: Mapping[CellId, str], baseline: str | None, *, unlike: bool
) -> list[GroupDraft]:
    """Return the groups in the order of tables, their ratios not made yet."""
    by_group: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for result, run in measured:
        by_group[result.cell.workload, result.cell.point].append((result, run))
    sweeps = sweep_names([run.workload for own in by_group.values() for _, run in own])
    drafts = [_group(own, sweeps, missing, baseline, unlike=unlike) for own in by_group.values()]
    return sorted(drafts, key=lambda own: _group_order(own[0]))


def with_ratios(drafts: Sequence[GroupDraft], margin_fraction: float) -> list[ComparisonGroup]:
    """Return the groups with the intervals of means and ratios.

    drafts: all groups of the study, since each metric's spread is pooled over them.
    """
    deployments = iter(with_shrunk_intervals([deployment for group, _ in drafts for deployment in group.deployments]))
    pairs = iter(finish([pair for _, own in drafts for pair in own], margin_fraction))
    return [
        replace(
            group, deployments=tuple(islice(deployments, len(group.deployments))), pairs=tuple(islice(pairs, len(own)))
        )
        for group, own in drafts
    ]


def _matched(results: Iterable[CellResult], runs: Iterable[RunRecord]) -> list[Measured]:
    by_key = {run.key: run for run in runs}
    for result in results:
        if result.key not in by_key:
            raise DataError(
                f"result of {result.cell.folder()} has key {result.key!r}, and no run.json with it was given; "
                f"expected one run.json a result: analyse the cell again"
            )
    return [(result, by_key[result.key]) for result in results]


def _row(result: CellResult, run: RunRecord) -> CellRow:
    failed = [gate for gate in result.gates if gate.status == "failed"]
    return CellRow(
        cell=result.cell,
        architecture=run.deployment.architecture,
        status="gate_failed" if failed else "ok",
        reason="; ".join(f"{gate.name}: {gate.seen}, expected {gate.expected}" for gate in failed) or None,
        failed_gates=tuple(gate.name for gate in failed),
        key=result.key,
        server_start_id=result.server_start_id,
        energy_source=result.energy.source,
        values=metric_values(result),
        ttft_parts_s={name: part.mean for name, part in result.transfer.ttft_parts_s.items()}
        if result.transfer
        else {},
        point_state=run.applied_point.state,
        settings=run.applied_point.settings,
    )


def _missing_row(cell: CellId, why: str) -> CellRow:
    return CellRow(cell, None, "no_result", why, (), None, None, None, dict.fromkeys(METRICS))


def _group(
    members: Sequence[Measured],
    sweeps: Mapping[str, str],
    missing: Mapping[CellId, str],
    baseline: str | None,
    *,
    unlike: bool,
) -> GroupDraft:
    by_deployment: dict[str, list[Measured]] = defaultdict(list)
    for member in sorted(members, key=lambda member: cell_order(member[0].cell)):
        by_deployment[member[0].cell.deployment].append(member)
    cells = sorted(by_deployment.values(), key=lambda own: deployment_order(own[0][1], baseline))
    deployments = [summarise(own, missing) for own in cells]
    run = members[0][1]
    group = ComparisonGroup(
        workload=run.cell.workload,
        point=run.cell.point,
        batch_size=arrival_kind(run.workload.arrival.kind).batch_size(run.workload.arrival),
        sweep=sweeps[run.workload.id],
        sm_clock_mhz={role: clock for _, run in members for role, clock in run.point.sm_clock_mhz.items()},
        memory_clock_mhz={role: clock for _, run in members for role, clock in run.point.memory_clock_mhz.items()},
        power_limit_w={role: limit for _, run in members for role, limit in run.point.power_limit_w.items()},
        sm_clock_min_mhz={role: low for _, run in members for role, low in run.point.sm_clock_min_mhz.items()},
        deployments=tuple(deployments),
        pairs=(),
    )
    pairs = [
        draft(deployments[a], deployments[b], cells[a], cells[b], unlike=unlike)
        for a in range(len(deployments))
        for b in range(a + 1, len(deployments))
    ]
    return group, pairs


def _group_order(group: ComparisonGroup) -> tuple[str, int, str, float, str]:
    """Return the sorting key: sweeps together, by rising batch size, then by rising clock with stock last."""
    clock = max(group.sm_clock_mhz.values(), default=math.inf)
    return group.sweep, group.batch_size or 0, group.workload, clock, group.point
