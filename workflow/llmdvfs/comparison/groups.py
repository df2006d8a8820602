"""Deployments compared at the same workload and operating point; the replicate is the server start."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from llmdvfs.arrivals.table import arrival_kind
from llmdvfs.comparison.arm import Measured, arm_order, cell_order, metric_values, summarise
from llmdvfs.comparison.likeness import unlike_gpus
from llmdvfs.comparison.pair import NO_POWER_DATA, pair
from llmdvfs.errors import DataError
from llmdvfs.records.comparison import METRICS, CellRow, ComparisonGroup, ComparisonRecord
from llmdvfs.records.result import CellResult
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import CellId, SloSpec, WorkloadSpec


def compare(
    results: Sequence[CellResult],
    runs: Sequence[RunRecord],
    without_result: Mapping[CellId, str] | None = None,
    baseline: str | None = None,
) -> ComparisonRecord:
    """Return every cell as a row, every deployment's mean over its server starts, and the ratios between deployments.

    runs: the run.json of every result, matched by key; without_result: planned cells that failed, and why; baseline:
    the architecture that others are related to, e.g. `replicated-2`, where it is not the simplest one.
    """
    missing = dict(without_result or {})
    measured = _matched(results, runs)
    cells = [_row(result, run) for result, run in measured] + [_missing_row(cell, why) for cell, why in missing.items()]
    by_group: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for result, run in measured:
        by_group[result.cell.workload, result.cell.point].append((result, run))
    sweeps = _sweeps([run.workload for _, run in measured])
    return ComparisonRecord(
        groups=tuple(sorted((_group(own, sweeps, missing, baseline) for own in by_group.values()), key=_group_order)),
        cells=tuple(sorted(cells, key=lambda row: cell_order(row.cell))),
        energy_note=NO_POWER_DATA if results and all(result.energy.source == "none" for result in results) else None,
        warnings=(
            *_not_applied(measured),
            *unlike_gpus(run for _, run in measured),
            *_mixed_launches(results),
            *_cell_warnings(results),
        ),
    )


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
    members: Sequence[Measured], sweeps: Mapping[str, str], missing: Mapping[CellId, str], baseline: str | None
) -> ComparisonGroup:
    by_deployment: dict[str, list[Measured]] = defaultdict(list)
    for member in sorted(members, key=lambda member: cell_order(member[0].cell)):
        by_deployment[member[0].cell.deployment].append(member)
    cells = sorted(by_deployment.values(), key=lambda own: arm_order(own, baseline))
    arms = [summarise(own, missing) for own in cells]
    run = members[0][1]
    return ComparisonGroup(
        workload=run.cell.workload,
        point=run.cell.point,
        batch_size=arrival_kind(run.workload.arrival.kind).batch_size(run.workload.arrival),
        sweep=sweeps[run.cell.workload],
        sm_clock_mhz={role: clock for _, run in members for role, clock in run.point.sm_clock_mhz.items()},
        memory_clock_mhz={role: clock for _, run in members for role, clock in run.point.memory_clock_mhz.items()},
        power_limit_w={role: limit for _, run in members for role, limit in run.point.power_limit_w.items()},
        sm_clock_min_mhz={role: low for _, run in members for role, low in run.point.sm_clock_min_mhz.items()},
        arms=tuple(arms),
        pairs=tuple(
            pair(arms[a], arms[b], cells[a], cells[b]) for a in range(len(arms)) for b in range(a + 1, len(arms))
        ),
    )


def _group_order(group: ComparisonGroup) -> tuple[str, int, str, float, str]:
    """Return the sorting key: sweeps together, by rising batch size, then by rising clock with stock last."""
    clock = max(group.sm_clock_mhz.values(), default=math.inf)
    return group.sweep, group.batch_size or 0, group.workload, clock, group.point


def _sweeps(workloads: Iterable[WorkloadSpec]) -> dict[str, str]:
    """Map each workload's id to the name of its sweep: its first id without the number at its end.

    The id of a workload outside the sweep is never its name: `decode` beside `decode-8`, `decode-16` stays apart
    from them where it asks something else.
    """
    members: dict[str, set[str]] = defaultdict(set)
    for workload in workloads:
        members[repr(_without_batch(workload))].add(workload.id)
    everybody = set().union(*members.values())
    sweeps: dict[str, str] = {}
    for ids in members.values():
        name = min(ids).rstrip("0123456789").rstrip("-_.") if len(ids) > 1 else ""
        taken = not name or name in sweeps.values() or name in everybody - ids
        sweeps |= dict.fromkeys(ids, min(ids) if taken else name)
    return sweeps


def _without_batch(workload: WorkloadSpec) -> WorkloadSpec:
    """Return what is left of a workload when batch size, length of the run and limits do not count."""
    arrival = replace(workload.arrival, concurrency=None, wave_sizes=())
    alike = replace(workload, num_requests=None, duration_s=None, min_requests=None, max_duration_s=None)
    return replace(alike, id="", arrival=arrival, num_warmup_requests=0, slo=SloSpec())


def _not_applied(measured: Iterable[Measured]) -> Iterator[str]:
    """Name the operating points that were asked and not applied, with their launches and the first one's reason."""
    told: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for result, run in sorted(measured, key=lambda own: cell_order(own[0].cell)):
        applied = run.applied_point
        if not applied.is_as_asked:
            why = applied.reason or "no reason was recorded"
            told[run.cell.deployment, run.cell.point, applied.state].append((result.cell.launch, why))
    for (deployment, point, state), cells in told.items():
        launches = ", ".join(str(launch) for launch in sorted({launch for launch, _ in cells}))
        yield (
            f"{deployment}/{point}: the operating point was not applied ({state}; launches {launches}): its cells ran "
            f"at the clocks and limits that were found, and are in no mean and no ratio: {cells[0][1]}"
        )


def _cell_warnings(results: Iterable[CellResult]) -> Iterator[str]:
    """Give the warnings of one launch for all launches of a cell: those of the others differ in figures at most."""
    by_cell: dict[str, list[CellResult]] = defaultdict(list)
    for result in sorted(results, key=lambda result: cell_order(result.cell)):
        if result.warnings:
            by_cell[f"{result.cell.deployment}/{result.cell.workload}/{result.cell.point}"].append(result)
    for name, (first, *others) in by_cell.items():
        more = f" (launch {first.cell.launch}; {len(others)} more like it)" if others else ""
        yield from (f"{name}: {warning}{more}" for warning in first.warnings)


def _mixed_launches(results: Iterable[CellResult]) -> Iterator[str]:
    """Name the launches that were measured in parts: a re-run that added cells started the servers again."""
    starts: dict[tuple[str, int], set[str]] = defaultdict(set)
    for result in results:
        starts[result.cell.deployment, result.cell.launch].add(result.server_start_id)
    for (deployment, launch), ids in sorted(starts.items()):
        if len(ids) > 1:
            yield (
                f"{deployment} launch {launch}: its cells come from server starts {', '.join(sorted(ids))}: "
                f"between its workloads and operating points they are not one replicate; "
                f"measure the launch anew to change that"
            )
