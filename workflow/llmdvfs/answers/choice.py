"""Which point each rule takes, and what it saves in launches that the choice has not seen."""

import math
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

import numpy as np

from llmdvfs.answers.intervals import ratio_of_logs
from llmdvfs.answers.observation import STOCK
from llmdvfs.records.answers import Basis, Choice
from llmdvfs.records.result import Estimate
from llmdvfs.records.rule import Rule

Table = Mapping[str, Mapping[int, float]]
"""point -> launch -> value; stock is one of the points."""
Ratios = Mapping[str, float]
"""point -> mean ratio to stock."""
Picker = Callable[[Ratios, Ratios], str]
"""(energy ratios, time ratios) -> the point to take; both have the same points, one at least."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a search had chosen at a load, and the launches that it measured afterwards to confirm that."""

    chosen: Mapping[Rule, str]
    launches: Set[int]
    text: str
    """How the search ended, in words."""


MIN_LAUNCHES_TO_LEAVE_ONE_OUT = 3  # the others must be two at least, so that no single launch decides


def lowest_energy(energy: Ratios, time: Ratios) -> str:
    """Return the point of the lowest energy; of two that are equal, the faster one."""
    return min(energy, key=lambda point: (energy[point], time[point], point))


def fastest_within(fraction: float) -> Picker:
    """Return the rule that takes the fastest point whose energy is above the lowest by no more than a fraction."""

    def pick(energy: Ratios, time: Ratios) -> str:
        limit = min(energy.values()) * (1 + fraction)
        near = [point for point, ratio in energy.items() if ratio <= limit]
        return min(near, key=lambda point: (time[point], energy[point], point))

    return pick


def choose(
    rule: Rule,
    pick: Picker,
    energy_j: Table,
    time_s: Table,
    allowed: Iterable[str] | None = None,
    confirmed: Confirmed | None = None,
) -> Choice:
    """Return the point that the rule takes, with its saving and slowdown.

    allowed: points that may be taken (those within limits); None: all. confirmed: what a search chose, which is taken
    where it may be. The saving is not read off the launches that made the choice where that can be helped: the lowest
    of noisy energies is low by luck too. Launches after the survey are confirming ones, where two of them have the
    choice and stock. Else each launch judges the choice that the others make, given three with all points. Below that
    it is the same launches, and the answer says so.
    """
    names = sorted(energy_j if allowed is None else set(allowed) & set(energy_j))
    if not names:
        return nothing(rule, "no measured point keeps the limits with 95 % confidence")
    survey = survey_launches(energy_j) if confirmed is None else _all_launches(energy_j) - confirmed.launches

    def pick_from(launches: Set[int]) -> str:
        return pick(mean_ratios(energy_j, names, launches), mean_ratios(time_s, names, launches))

    found = None if confirmed is None else confirmed.chosen.get(rule)
    chosen = found if found in names else pick_from(survey)
    both = energy_j[chosen].keys() & energy_j[STOCK].keys()
    confirming = both - survey
    if len(confirming) > 1:
        return _judged(rule, chosen, "confirming_launches", energy_j, time_s, dict.fromkeys(confirming, chosen))
    full = full_launches(energy_j)
    if len(full) >= MIN_LAUNCHES_TO_LEAVE_ONE_OUT:
        by_launch = {launch: pick_from(full - {launch}) for launch in full}
        return _judged(rule, chosen, "left_out_launches", energy_j, time_s, by_launch)
    return _judged(rule, chosen, "same_launches", energy_j, time_s, dict.fromkeys(both & survey, chosen))


def nothing(rule: Rule, reason: str) -> Choice:
    """Return a choice that takes no point, for the reason given."""
    absent = Estimate(None, reason=reason)
    return Choice(rule, None, absent, absent, "none", reason)


def full_launches(table: Table) -> set[int]:
    """Return the numbers of the launches in which every point was measured."""
    return set.intersection(*(set(values) for values in table.values()))


def survey_launches(table: Table) -> set[int]:
    """Return the launches that choices are made from: those that have every point.

    Where there is none, as in a search, they are those up to the last that brought a point for the first time: the
    launches after it were measured to confirm.
    """
    full = full_launches(table)
    if full:
        return full
    newest = max(min(values) for values in table.values())
    return {launch for launch in _all_launches(table) if launch <= newest}


def _all_launches(table: Table) -> set[int]:
    return {launch for values in table.values() for launch in values}


def mean_ratios(table: Table, names: Iterable[str], launches: Set[int]) -> dict[str, float]:
    """Return point -> geometric mean of point / stock, over those of the launches that have both.

    A point that none of these launches has is judged by all that have it; one that no launch has beside stock is left
    out.
    """
    stock, found = table[STOCK], {}
    for name in names:
        shared = table[name].keys() & stock.keys()
        own = sorted(shared & launches) or sorted(shared)
        if own:
            logs = [math.log(table[name][launch] / stock[launch]) for launch in own]
            found[name] = math.exp(float(np.mean(logs)))
    return found


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
