"""Flags: what makes an answer weaker than it looks, with the values seen and what to do."""

import math
from collections.abc import Iterable, Mapping, Sequence, Set

from llmdvfs.answers.axis import UNITS, Axis
from llmdvfs.answers.intervals import paired_ratio, ratio_of_logs
from llmdvfs.answers.measured import is_held
from llmdvfs.answers.observation import STOCK, Observation
from llmdvfs.records.answers import AnsweredPoint, Between, Choice, Flag
from llmdvfs.records.rule import Rule

FLAT_SHARE = 1 / 3  # of the measured range
DRIFT_FRACTION = 0.01  # what a study wants to tell apart
WIDEN_STEPS = 2  # further settings to measure beyond an edge, spaced like the last two


def edges(chosen: str, rows: Iterable[Axis], energy: Mapping[str, float]) -> list[Flag]:
    """Return a flag for each row of points at whose end the choice lies: the best may lie beyond it.

    energy: point -> mean ratio to stock. The upper end gets no flag where stock, which has more clock or power, costs
    more than the end does.
    """
    flags = []
    for row in rows:
        names = [name for _, name in row.points]
        if chosen not in names:
            continue
        settings = [setting for setting, _ in row.points]
        place = names.index(chosen)
        unit, who = UNITS[row.quantity], "+".join(row.roles)
        if place == 0:
            to = max(settings[0] - WIDEN_STEPS * (settings[1] - settings[0]), settings[0] / 2)
            text = f"{who} {settings[0]:g} {unit} is the lowest setting measured: widen the grid to {to:.0f} {unit}"
        elif place == len(names) - 1 and not energy[STOCK] > energy[chosen]:
            to = settings[-1] + WIDEN_STEPS * (settings[-1] - settings[-2])
            text = (
                f"{who} {settings[-1]:g} {unit} is the highest setting measured: widen the grid up to {to:.0f} {unit}"
            )
        else:
            continue
        flags.append(Flag("edge", text))
    return flags


def not_applied(left_out: Sequence[str]) -> list[Flag]:
    """Return a flag for the cells that ran at another point than their name says."""
    if not left_out:
        return []
    return [Flag("not_applied", f"left out, because the GPUs ran as they were found: {'; '.join(left_out)}")]


def not_held(points: Iterable[AnsweredPoint]) -> list[Flag]:
    """Return a flag for each point at which a role ran below the core clock that it was locked to.

    Under a ceiling a clock may move, so that is no departure.
    """
    return [
        Flag(
            "cap_bound",
            f"{answered.point.id}: {role} ran at {held:.0f} MHz, asked {asked} MHz: the power limit or the temperature "
            f"held it there, and its figures are those of {held:.0f} MHz",
        )
        for answered in points
        for role, asked in answered.point.sm_clock_mhz.items()
        if role not in answered.point.sm_clock_min_mhz
        and not is_held(asked, held := answered.held_sm_clock_mhz.get(role))
    ]


def flat(ties: Sequence[str], rows: Iterable[Axis], between: Between | None) -> list[Flag]:
    """Return a flag where points over a third of a row's range or more cannot be told from the best."""
    for row in rows:
        settings = [setting for setting, _ in row.points]
        tied = [setting for setting, name in row.points if name in ties]
        if len(tied) > 1 and max(tied) - min(tied) >= FLAT_SHARE * (settings[-1] - settings[0]):
            near = (
                f"; within 1 % of the lowest from {between.near_low_mhz:.0f} to {between.near_high_mhz:.0f} MHz"
                if between
                else ""
            )
            unit = UNITS[row.quantity]
            return [
                Flag(
                    "flat",
                    f"energy at {', '.join(f'{setting:g}' for setting in tied)} {unit} is not distinguishable from the "
                    f"lowest{near}: the set is the answer, take its fastest",
                )
            ]
    return []


def unconfirmed(choice: Choice) -> list[Flag]:
    """Return a flag where saving and slowdown come from the launches from which the choice was made."""
    if choice.basis != "same_launches":
        return []
    return [
        Flag(
            "unconfirmed",
            "saving and slowdown are read off the launches that chose the point, which flatters it: measure three "
            "launches of all points, or two more of the chosen point and stock",
        )
    ]


def not_near(choices: Sequence[Choice], near: Mapping[Rule, float]) -> list[Flag]:
    """Return a flag for each point taken as near the lowest energy that proved not to be in the judging launches.

    near: rule -> how far above the lowest energy its point may lie, as a fraction.
    """
    lowest, flags = choices[0], []
    for choice in choices:
        if choice.rule not in near or choice.basis != "confirming_launches" or lowest.basis != choice.basis:
            continue
        if choice.saving.value is None or lowest.saving.value is None:
            continue
        above = (1 - choice.saving.value) / (1 - lowest.saving.value) - 1
        if above > near[choice.rule]:
            flags.append(
                Flag(
                    "unconfirmed",
                    f"{choice.point} was taken as the fastest within {near[choice.rule]:.0%} of the lowest energy; in "
                    f"the launches that confirm it, it cost {above:.1%} more than {lowest.point}",
                )
            )
    return flags


def doubtful(points: Iterable[AnsweredPoint], resting_on: Set[str]) -> list[Flag]:
    """Return a flag for each point that the answer rests on and of which a cell failed a gate.

    resting_on: the chosen points, and stock, which everything is compared with.
    """
    flags = []
    for answered in points:
        seen = answered.details
        if answered.point.id in resting_on and seen is not None and seen.failed_gates:
            gates = ", ".join(f"{name} in {count}" for name, count in seen.failed_gates.items())
            flags.append(
                Flag(
                    "doubtful",
                    f"{answered.point.id}: of its {seen.num_cells} cell(s) some failed a gate ({gates}), and its "
                    f"figures may not hold: result.json of each says what was seen and what to do",
                )
            )
    return flags


def drift(stock: Mapping[int, Sequence[Observation]]) -> list[Flag]:
    """Return a flag where a launch's last stock cell differs from its first: the machine changed meanwhile.

    stock: launch -> its stock cells in measured order; launches with only one tell nothing.
    """
    logs = [math.log(cells[-1].energy_j / cells[0].energy_j) for cells in stock.values() if len(cells) > 1]
    change = ratio_of_logs(logs)
    if change.value is None or abs(change.value - 1) <= DRIFT_FRACTION:
        return []
    return [
        Flag(
            "drift",
            f"stock costs {change.value - 1:+.1%} at the end of a launch against its begin ({len(logs)} launch(es)): a "
            f"saving of that size is none; let the machine warm up, or shorten the launch",
        )
    ]


def interacts(points: Mapping[str, Mapping[str, int]], energy_j: Mapping[str, Mapping[int, float]]) -> list[Flag]:
    """Return flags that say what a clock for each role gains over one clock for all, where both were measured.

    points: core clock by role, of each point that sets one. energy_j: point -> launch -> energy.
    """
    many = {name: clocks for name, clocks in points.items() if len(clocks) > 1}
    one_clock = [name for name, clocks in many.items() if len(set(clocks.values())) == 1]
    apart = [name for name in many if name not in one_clock]
    if not one_clock or not apart:
        return []
    best_one, best_apart = (min(names, key=lambda name: _mean_log(energy_j[name])) for names in (one_clock, apart))
    ratio = paired_ratio(energy_j[best_one], energy_j[best_apart])
    if ratio.value is None:
        return []
    interval = "" if ratio.low is None or ratio.high is None else f" [{1 - ratio.high:.1%}, {1 - ratio.low:.1%}]"
    return [
        Flag(
            "interacts",
            f"a clock for each role ({best_apart}) saves {1 - ratio.value:.1%}{interval} over one clock for all "
            f"({best_one})",
        )
    ]


def _mean_log(values: Mapping[int, float]) -> float:
    return sum(math.log(value) for value in values.values()) / len(values)
