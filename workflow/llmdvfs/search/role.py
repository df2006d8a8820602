"""The search of one role of a load, during which the other roles stay at stock."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from llmdvfs.answers.measured import held_clocks, is_held, observation
from llmdvfs.answers.point_tables import Measured
from llmdvfs.answers.search import Tried
from llmdvfs.records.point import OperatingPoint
from llmdvfs.records.search import SEARCHING, ClockRange, SearchedLoad
from llmdvfs.records.spec import Phase
from llmdvfs.search.cells import Cells

NEAR_FRACTION = 0.05  # of the lowest energy: as the rule that is recommended has it


def searched_roles(roles: Collection[str], isolates: Phase | None) -> tuple[str, ...]:
    """Return the roles whose clock matters: at a load that isolates a phase, not the other phase's role."""
    idle = {"prefill": "decode", "decode": "prefill"}.get(isolates or "")
    return tuple(role for role in roles if role != idle)


def point_of(role: str, clock_mhz: int) -> OperatingPoint:
    """Return the point that sets one role's core clock and leaves the others alone."""
    return OperatingPoint(f"{role}-{clock_mhz}", {role: clock_mhz})


def tried_clocks(load: SearchedLoad, role: str, cells: Cells, allowed: ClockRange) -> list[Tried]:
    """Return what the rounds of the search measured of a role: energy relative to stock of the same launch.

    A clock that the power limit did not let the role hold counts as the one that it held. Cells whose point was not
    applied count for nothing, nor do those of a launch without stock.
    """
    found: list[Tried] = []
    for step in load.rounds:
        if step.kind in SEARCHING:
            by_launch: dict[int, list[Measured]] = {}
            for measured in cells.of(load, step):
                by_launch.setdefault(measured[0].cell.launch, []).append(measured)
            for own in by_launch.values():
                found += _tried_of_launch(own, role, allowed)
    return found


def num_decided(load: SearchedLoad, role: str) -> int:
    """Return how many cells of a role the rounds of the search have decided, whatever became of them."""
    return sum(
        set(point.sm_clock_mhz) == {role}
        for step in load.rounds
        if step.kind in SEARCHING
        for _ in step.launches
        for point in step.points
    )


def _tried_of_launch(measured: Sequence[Measured], role: str, allowed: ClockRange) -> Iterator[Tried]:
    seen = [(result, run, observation(result, run)) for result, run in measured if run.applied_point.is_as_asked]
    stock = [item.energy_j for _, _, item in seen if item is not None and item.is_stock]
    if not stock:
        return
    for result, run, item in seen:
        asked = run.point.sm_clock_mhz
        if item is not None and set(asked) == {role}:
            held = held_clocks([result]).get(role)
            clock = asked[role] if held is None or is_held(asked[role], held) else allowed.snapped(held)
            yield Tried(clock, item.energy_j / fmean(stock))


def reachable(load: SearchedLoad, role: str, cells: Cells, allowed: ClockRange) -> ClockRange:
    """Return the part of the range that the role can hold under this load: up to the clock it ran at at stock.

    Above it the power limit decides, and a clock would only be a label. Until stock has been measured it is the whole
    range.
    """
    stock = [result for result, run in cells.of(load) if not run.point.asks_for_something]
    held = held_clocks(stock).get(role)
    if held is None or is_held(allowed.high_mhz, held) or held <= allowed.low_mhz:
        return allowed
    return replace(allowed, high_mhz=allowed.snapped(held))


def fastest_near(load: SearchedLoad, role: str, cells: Cells, allowed: ClockRange, lowest_mhz: int) -> int:
    """Return the highest clock whose mean energy is within 5 % of the lowest measured one; else lowest_mhz."""
    by_clock: dict[int, list[float]] = {}
    for cell in tried_clocks(load, role, cells, allowed):
        by_clock.setdefault(cell.clock_mhz, []).append(cell.energy_ratio)
    energy = {clock: fmean(ratios) for clock, ratios in by_clock.items()}
    limit = min(energy.values(), default=0.0) * (1 + NEAR_FRACTION)
    return max((clock for clock, ratio in energy.items() if ratio <= limit), default=lowest_mhz)
