"""Makes all answers of a study: for each deployment at each load, its operating points against stock."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean, geometric_mean

from llmdvfs.answers.between import MIN_CLOCKS, lowest_between
from llmdvfs.answers.choice import Confirmed, Picker, choose, fastest_within, lowest_energy, nothing
from llmdvfs.answers.details import details
from llmdvfs.answers.flags import doubtful, drift, edges, flat, interacts, not_applied, not_held, not_near, unconfirmed
from llmdvfs.answers.intervals import paired_ratio, ties_with_lowest
from llmdvfs.answers.limits import within_limits
from llmdvfs.answers.measured import energy_of_unit, held_clocks
from llmdvfs.answers.observation import STOCK
from llmdvfs.answers.pareto import pareto_set
from llmdvfs.answers.physical import physical_fit
from llmdvfs.answers.point_tables import Measured, NoAnswer, PointTables, point_tables
from llmdvfs.records.answers import Answer, AnsweredPoint, AnswersRecord, Choice, Flag
from llmdvfs.records.result import Estimate
from llmdvfs.records.rule import Rule

NEAR: dict[Rule, float] = {"fastest_within_2_percent": 0.02, "fastest_within_5_percent": 0.05}
"""Rule -> how far above the lowest energy the point that it takes may lie, as a fraction."""
RULES: dict[Rule, Picker] = {
    "lowest_energy": lowest_energy,
    **{rule: fastest_within(fraction) for rule, fraction in NEAR.items()},
}


def answers(
    measured: Iterable[Measured], confirmed: Mapping[tuple[str, str], Confirmed] | None = None
) -> AnswersRecord:
    """Return an answer for each deployment and load, or why there is none.

    measured: result and run of every cell. confirmed: (deployment, workload) -> what a search had chosen there before
    its confirming launches.
    """
    by_load: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    modelled = False
    for result, run in measured:
        modelled = modelled or run.is_modelled
        by_load[result.cell.deployment, result.cell.workload].append((result, run))
    found, refused = [], []
    for (deployment, workload), cells in sorted(by_load.items()):
        try:
            found.append(answer(cells, (confirmed or {}).get((deployment, workload))))
        except NoAnswer as reason:
            refused.append(f"{deployment}/{workload}: {reason}")
    return AnswersRecord(tuple(found), tuple(refused), modelled)


def answer(measured: Sequence[Measured], confirmed: Confirmed | None = None) -> Answer:
    """Return the answer of one deployment at one load; NoAnswer says why there is none.

    measured: result and run of its cells. confirmed: what a search had chosen before its confirming launches. A cell
    whose point was not applied ran at some other one: it counts for none, and a flag names it.
    """
    tables = point_tables(measured)
    ties = ties_with_lowest(tables.energy_j)
    pareto = pareto_set(tables.energy, tables.time)
    points = tuple(
        _answered(tables, name, name in pareto, name in ties) for name in sorted(tables.points, key=tables.order)
    )
    choices = _choices(points, tables, confirmed)
    power = {name: power for name in tables.points if (power := _power_w(tables, name)) is not None}
    physical, no_physical = physical_fit(tables.by_held_clock(power), tables.by_held_clock(tables.time))
    return Answer(
        deployment=tables.run.cell.deployment,
        workload=tables.run.cell.workload,
        model=tables.run.deployment.model.name,
        phase=tables.terms.phase,
        batch_size=tables.run.workload.arrival.concurrency,
        energy_per=tables.terms.energy_per,
        time_of=tables.terms.time_of,
        points=points,
        choices=choices,
        flags=tuple(_flags(tables, points, choices, confirmed)),
        between=lowest_between(tables.by_held_clock(tables.energy)),
        physical=physical,
        physical_reason=no_physical,
        search=None if confirmed is None else confirmed.text,
        rate_rps=tables.run.workload.arrival.rate_rps,
        num_gpus=tables.run.deployment.num_gpus,
    )


def _answered(tables: PointTables, name: str, pareto: bool, ties: bool) -> AnsweredPoint:
    energy, time = tables.energy_j[name], tables.time_s[name]
    stock_energy, stock_time = tables.energy_j[STOCK], tables.time_s[STOCK]

    def delayed(power: int) -> Estimate:
        """Return the ratio of energy x time^power."""
        own, stock = (
            {launch: e[launch] * t[launch] ** power for launch in e}
            for e, t in ((energy, time), (stock_energy, stock_time))
        )
        return paired_ratio(stock, own)

    latencies: dict[str, list[float]] = defaultdict(list)
    for cells in tables.observations[name].values():
        for quantity in sorted({quantity for cell in cells for quantity in cell.latencies_s}):
            latencies[quantity].append(
                fmean(cell.latencies_s[quantity] for cell in cells if quantity in cell.latencies_s)
            )
    kept = within_limits(tables.run.workload.slo, latencies, len(energy))
    return AnsweredPoint(
        point=tables.points[name],
        held_sm_clock_mhz=held_clocks(tables.cells[name]),
        num_launches=len(energy),
        energy_j=geometric_mean(energy.values()),
        time_s=geometric_mean(time.values()),
        energy_ratio=paired_ratio(stock_energy, energy),
        time_ratio=paired_ratio(stock_time, time),
        energy_delay_ratio=delayed(1),
        energy_delay_squared_ratio=delayed(2),
        within_limits=kept.is_within,
        limits_reason=kept.reason,
        limits_judged=kept.is_judged,
        pareto=pareto,
        ties_with_best=ties,
        details=details(tables.cells[name], partial(energy_of_unit, tables.terms), tables.idle_at_point_w.get(name)),
    )


def _choices(
    points: Sequence[AnsweredPoint], tables: PointTables, confirmed: Confirmed | None = None
) -> tuple[Choice, ...]:
    held = tables.as_named
    choices = [choose(rule, pick, tables.energy_j, tables.time_s, held, confirmed) for rule, pick in RULES.items()]
    if all(point.within_limits is None for point in points):
        return (*choices, nothing("within_limits", "the load has no latency limits (workloads.*.slo)"))
    allowed = [point.point.id for point in points if point.within_limits and point.point.id in held]
    return (*choices, choose("within_limits", lowest_energy, tables.energy_j, tables.time_s, allowed, confirmed))


def _flags(
    tables: PointTables, points: Sequence[AnsweredPoint], choices: Sequence[Choice], confirmed: Confirmed | None
) -> Iterable[Flag]:
    lowest = choices[0]
    # A search widens its range by itself, and the clocks that it crossed are no grid: no advice to widen them.
    rows = tables.rows if confirmed is None else [row for row in tables.rows if len(row.points) >= MIN_CLOCKS]
    ties = [point.point.id for point in points if point.ties_with_best]
    yield from not_applied(tables.left_out)
    yield from edges(lowest.point or STOCK, rows, tables.energy)
    yield from not_held(points)
    yield from flat(ties, tables.rows, lowest_between(tables.by_held_clock(tables.energy)))
    yield from unconfirmed(lowest)
    yield from not_near(choices, NEAR)
    yield from doubtful(points, {STOCK, *(choice.point for choice in choices if choice.point is not None)})
    yield from drift(tables.observations[STOCK])
    yield from interacts(
        {name: point.sm_clock_mhz for name, point in tables.points.items() if not point.sm_clock_min_mhz},
        tables.energy_j,
    )


def _power_w(tables: PointTables, name: str) -> float | None:
    """Return the deployment's mean power at a point; None where some cell has none."""
    powers = [cell.energy.mean_power_w for cell in tables.cells[name]]
    return fmean(power for power in powers if power is not None) if None not in powers else None
