"""The points that each rule takes when a search has ended, before the launches that confirm them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean

from llmdvfs.answers.answer import RULES
from llmdvfs.answers.loaded import Loaded, Measured, NoAnswer, load_table
from llmdvfs.answers.observation import STOCK
from llmdvfs.records.answers import Rule
from llmdvfs.records.point import OperatingPoint


def chosen_points(measured: Sequence[Measured], found: OperatingPoint | None) -> dict[Rule, OperatingPoint]:
    """Return what each rule takes of a load's points; stock is not among them, and a rule that takes it is left out.

    found: the lowest clock by the parabola of a single role's search; None: the lowest of the measured points.
    """
    try:
        loaded = load_table(measured)
    except NoAnswer:
        return {}
    held = loaded.as_named
    energy, time = ({name: ratios[name] for name in held} for ratios in (loaded.energy, loaded.time))
    taken: dict[Rule, str] = {rule: pick(energy, time) for rule, pick in RULES.items()}
    allowed = [name for name in _within_limits_by_mean(loaded) if name in held]
    if allowed:
        taken["within_limits"] = min(allowed, key=lambda name: (loaded.energy[name], name))
    points = {rule: loaded.points[name] for rule, name in taken.items() if name != STOCK}
    return {**points, "lowest_energy": found} if found is not None else points


def clock_for_all(measured: Sequence[Measured]) -> OperatingPoint | None:
    """Return the lowest point that sets several roles to one clock: what a clock for each role is held against."""
    try:
        loaded = load_table(measured)
    except NoAnswer:
        return None
    one_clock = [
        name
        for name, point in loaded.points.items()
        if len(point.sm_clock_mhz) > 1 and len(set(point.sm_clock_mhz.values())) == 1
    ]
    return loaded.points[min(one_clock, key=lambda name: loaded.energy[name])] if one_clock else None


def cross_points(lowest: Mapping[str, int], fastest: Mapping[str, int]) -> tuple[OperatingPoint, ...]:
    """Return the points that verify what was found role by role: both roles together, and one clock for all.

    lowest, fastest: by role, the clock of lowest energy and the fastest clock within 5 % of it.
    """
    apart = [clocks for clocks in (lowest, fastest) if len(set(clocks.values())) > 1]
    together = sorted(set(lowest.values()))
    points = [OperatingPoint("cross-" + "-".join(map(str, clocks.values())), dict(clocks)) for clocks in apart]
    points += [OperatingPoint(f"all-{clock}", dict.fromkeys(lowest, clock)) for clock in together]
    return tuple({point.id: point for point in points}.values())


def _within_limits_by_mean(loaded: Loaded) -> list[str]:
    """Return the points whose mean p99 keeps the load's limits: one launch each allows no bound yet."""
    limits = {name: limit for name, limit in asdict(loaded.run.workload.slo).items() if limit is not None}
    if not limits:
        return []
    kept = []
    for point, launches in loaded.observations.items():
        seen = [cell.latencies_s for cells in launches.values() for cell in cells]
        if all(
            (values := [latencies[name] for latencies in seen if name in latencies]) and fmean(values) <= limit
            for name, limit in limits.items()
        ):
            kept.append(point)
    return kept
