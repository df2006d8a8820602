"""Which point a rule takes, and what it saves in launches that the choice has not seen."""

import math
from collections.abc import Callable, Iterable, Mapping, Set

import numpy as np

from llmdvfs.answers.intervals import ratio_of_logs
from llmdvfs.answers.observation import STOCK
from llmdvfs.records.answers import Basis, Choice, Rule
from llmdvfs.records.result import Estimate

Table = Mapping[str, Mapping[int, float]]
"""point -> launch -> value; stock is one of the points."""
Ratios = Mapping[str, float]
"""point -> mean ratio to stock."""
Picker = Callable[[Ratios, Ratios], str]
"""(energy ratios, time ratios) -> the point to take; both have the same points, one at least."""

MIN_LAUNCHES_TO_LEAVE_ONE_OUT = 3  # the others must be two at least, so that no single launch decides


def lowest_energy(energy: Ratios, time: Ratios) -> str:
    """Return the point of lowest energy; the faster one of two that are equal."""
    return min(energy, key=lambda point: (energy[point], time[point], point))


def fastest_within(fraction: float) -> Picker:
    """Return the rule that takes the fastest point whose energy is within the fraction of the lowest."""

    def pick(energy: Ratios, time: Ratios) -> str:
        limit = min(energy.values()) * (1 + fraction)
        near = [point for point, ratio in energy.items() if ratio <= limit]
        return min(near, key=lambda point: (time[point], energy[point], point))

    return pick


def choose(rule: Rule, pick: Picker, energy_j: Table, time_s: Table, allowed: Iterable[str] | None = None) -> Choice:
    """Return the point that the rule takes, with its saving and slowdown.

    allowed: points that may be taken (those within limits); None: all. The saving is not read off the launches that
    made the choice where that can be helped: the lowest of noisy energies is low by luck too. Launches that lack some
    points are confirming ones, where two of them have the choice and stock. Else each launch judges the choice that
    the others make, given three. Below that it is the same launches, and the answer says so.
    """
    names = sorted(energy_j if allowed is None else set(allowed) & set(energy_j))
    if not names:
        return nothing(rule, "no measured point keeps the limits with 95 % confidence")
    survey = full_launches(energy_j)

    def pick_from(launches: Set[int]) -> str:
        return pick(mean_ratios(energy_j, names, launches), mean_ratios(time_s, names, launches))

    chosen = pick_from(survey)
    confirming = (energy_j[chosen].keys() & energy_j[STOCK].keys()) - survey
    if len(confirming) > 1:
        return _judged(rule, chosen, "confirming_launches", energy_j, time_s, dict.fromkeys(confirming, chosen))
    if len(survey) >= MIN_LAUNCHES_TO_LEAVE_ONE_OUT:
        by_launch = {launch: pick_from(survey - {launch}) for launch in survey}
        return _judged(rule, chosen, "left_out_launches", energy_j, time_s, by_launch)
    return _judged(rule, chosen, "same_launches", energy_j, time_s, dict.fromkeys(survey, chosen))


def nothing(rule: Rule, reason: str) -> Choice:
    """Return the choice of no point."""
    absent = Estimate(None, reason=reason)
    return Choice(rule, None, absent, absent, "none", reason)


def full_launches(table: Table) -> set[int]:
    """Return the launches that have every point."""
    return set.intersection(*(set(values) for values in table.values()))


def mean_ratios(table: Table, names: Iterable[str], launches: Set[int]) -> dict[str, float]:
    """Return the geometric mean of point / stock over those launches, for each of the points."""
    stock = table[STOCK]
    return {
        name: math.exp(float(np.mean([math.log(table[name][launch] / stock[launch]) for launch in sorted(launches)])))
        for name in names
    }


def _judged(
    rule: Rule,
    chosen: str,
    basis: Basis,
    energy_j: Table,
    time_s: Table,
    by_launch: Mapping[int, str],
) -> Choice:
    """Return the choice with what the points of `by_launch` (launch -> point) did in their launches."""
    energy, time = (
        ratio_of_logs([math.log(table[point][k] / table[STOCK][k]) for k, point in sorted(by_launch.items())])
        for table in (energy_j, time_s)
    )
    saving = Estimate(_less(1, energy.value), _less(1, energy.high), _less(1, energy.low), energy.reason)
    slowdown = Estimate(_less(time.value, 1), _less(time.low, 1), _less(time.high, 1), time.reason)
    return Choice(rule, chosen, saving, slowdown, basis)


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
