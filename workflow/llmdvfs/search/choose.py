"""Chooses the points that a search has found, before the launches that confirm them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean

from llmdvfs.answers.answer import RULES
from llmdvfs.answers.choice import lowest_energy
from llmdvfs.answers.observation import STOCK, Observation
from llmdvfs.answers.point_tables import Measured, NoAnswer, point_tables
from llmdvfs.answers.recommend import PREFERRED
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.rule import Rule


def chosen_points(measured: Sequence[Measured], found: OperatingPoint | None) -> dict[Rule, OperatingPoint]:
    """Return what two rules take of a load's points: the lowest energy, and the point that is recommended.

    found: the lowest clock by the parabola of a single role's search; None: the lowest measured point is taken. A rule
    that takes stock is left out, since stock is confirmed anyway.
    """
    try:
        tables = point_tables(measured)
    except NoAnswer:
        return {}
    limits = {name: limit for name, limit in asdict(tables.run.workload.slo).items() if limit is not None}
    rule = PREFERRED[0 if limits else 1]
    allowed = [name for name in tables.as_named if _keeps(tables.observations[name], limits)]
    energy, time = ({name: ratios[name] for name in allowed} for ratios in (tables.energy, tables.time))
    taken = {rule: tables.points[RULES.get(rule, lowest_energy)(energy, time)]} if allowed else {}
    held = {name: tables.energy[name] for name in tables.as_named}
    lowest = found or tables.points[lowest_energy(held, tables.time)]
    return {name: point for name, point in {"lowest_energy": lowest, **taken}.items() if point.id != STOCK}


def clock_for_all(measured: Sequence[Measured]) -> OperatingPoint | None:
    """Return the lowest point that sets several roles to one clock; None: there is none.

    A clock of its own for each role is compared with it.
    """
    try:
        tables = point_tables(measured)
    except NoAnswer:
        return None
    one_clock = [
        name
        for name, point in tables.points.items()
        if len(point.sm_clock_mhz) > 1 and len(set(point.sm_clock_mhz.values())) == 1
    ]
    return tables.points[min(one_clock, key=lambda name: tables.energy[name])] if one_clock else None


def cross_points(lowest: Mapping[str, int], fastest: Mapping[str, int]) -> tuple[OperatingPoint, ...]:
    """Return the points that check what was found role by role: both roles together, and one clock for all.

    lowest, fastest: role -> the clock of lowest energy, and the fastest clock whose energy is within 5 % of that.
    """
    apart = [clocks for clocks in (lowest, fastest) if len(set(clocks.values())) > 1]
    together = sorted(set(lowest.values()))
    points = [OperatingPoint("cross-" + "-".join(map(str, clocks.values())), dict(clocks)) for clocks in apart]
    points += [OperatingPoint(f"all-{clock}", dict.fromkeys(lowest, clock)) for clock in together]
    return tuple({point.id: point for point in points}.values())


def _keeps(launches: Mapping[int, Sequence[Observation]], limits: Mapping[str, float]) -> bool:
    """Return whether a point's mean p99 keeps every limit; with one launch a point there is no bound yet."""
    seen = [cell.latencies_s for cells in launches.values() for cell in cells]
    return all(
        (values := [latencies[name] for latencies in seen if name in latencies]) and fmean(values) <= limit
        for name, limit in limits.items()
    )
