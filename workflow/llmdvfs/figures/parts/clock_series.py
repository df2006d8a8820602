"""The points of an answer in rows over core clock: some roles are set alike, the others left alone."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from llmdvfs.records.answers import Answer, AnsweredPoint
from llmdvfs.records.result import Estimate


@dataclass(frozen=True, slots=True)
class ClockSeries:
    """A row of points that set the same roles, by rising clock held."""

    roles: tuple[str, ...]
    points: tuple[AnsweredPoint, ...]

    @property
    def name(self) -> str:
        """Return which roles were set, in a word."""
        return " and ".join(self.roles)

    def held_mhz(self, point: AnsweredPoint) -> float:
        """Return the mean clock at which the row's roles ran."""
        return sum(point.held_sm_clock_mhz[role] for role in self.roles) / len(self.roles)

    def asked_mhz(self, point: AnsweredPoint) -> float:
        """Return the clock that was asked of the row's roles."""
        return float(point.point.sm_clock_mhz[self.roles[0]])


def clock_series(answer: Answer) -> list[ClockSeries]:
    """Return the rows of an answer.

    Points with limits, memory clocks, ranges of clocks or unlike clocks are in none of them.
    """
    rows: dict[tuple[str, ...], list[AnsweredPoint]] = {}
    for point in answer.points:
        asked = settings(point)
        if asked and len(set(asked.values())) == 1 and set(asked) <= set(point.held_sm_clock_mhz):
            rows.setdefault(tuple(asked), []).append(point)
    series = [ClockSeries(roles, tuple(points)) for roles, points in rows.items()]
    return [ClockSeries(each.roles, tuple(sorted(each.points, key=each.held_mhz))) for each in series]


def settings(point: AnsweredPoint) -> dict[str, int]:
    """Return the core clocks asked of the deployment's roles; empty where something else, or a range, was asked."""
    if point.point.memory_clock_mhz or point.point.power_limit_w or point.point.sm_clock_min_mhz:
        return {}
    return {role: clock for role, clock in point.point.sm_clock_mhz.items() if role in point.held_sm_clock_mhz}


def stock_of(answer: Answer) -> AnsweredPoint:
    """Return the point that asks for nothing; every answer has one."""
    return next(point for point in answer.points if not point.point.asks_for_something)


def spread(estimate: Estimate) -> list[list[float]] | None:
    """Return an interval as matplotlib's error bars below and above the value; None: there is no interval."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    return [[estimate.value - estimate.low], [estimate.high - estimate.value]]


def is_chosen(answer: Answer, point: AnsweredPoint) -> bool:
    """Return whether the point is the one that is recommended: by the limits where the load has any."""
    limited = any(each.within_limits is not None for each in answer.points)
    rule = "within_limits" if limited else "fastest_within_5_percent"
    return any(choice.point == point.point.id for choice in answer.choices if choice.rule == rule)


def short_name(point: AnsweredPoint) -> str:
    """Return the clock, where that says all that was asked; else the point's name."""
    asked = set(settings(point).values())
    return f"{next(iter(asked))}" if len(asked) == 1 and len(point.held_sm_clock_mhz) == 1 else point.point.id


RATIOS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 4, 5, 7, 10)
LEAST_RATIO_RANGE = 0.1
HIGHEST_RATIO = 1.2
"""Colours end there: what costs so much more than stock is out of the question, and would hide smaller differences."""


def set_ratio_axis(axes: Axes) -> None:
    """Make the vertical axis one of ratios: logarithmic, with plain numbers as ticks."""
    lowest, highest = axes.dataLim.intervaly
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if lowest > 0 and highest / lowest < 1 + LEAST_RATIO_RANGE:  # matplotlib would show decades around equal values
        low, high = lowest / (1 + LEAST_RATIO_RANGE), highest * (1 + LEAST_RATIO_RANGE)
    ticks = [ratio for ratio in RATIOS if low <= ratio <= high]
    wide = high / low > 3
    shown = [tick for tick in ticks if not wide or tick in (0.2, 0.3, 0.5, 0.7, 1, 2, 3, 5, 10)]
    axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()
    axes.set_ylim(low, high)


def energy_scale(values: list[float]) -> Normalize:
    """Return the colour scale of energy ratios: from the lowest to 1.2, or to the highest where that is lower."""
    low, high = min(values), min(max(values), HIGHEST_RATIO)
    return Normalize(low, max(high, low + 0.01), clip=True)


def ink_on(scale: Normalize, value: float) -> str:
    """Return the colour in which a number can be read on a field of `cividis`."""
    return "white" if scale(value) < 0.5 else "black"
