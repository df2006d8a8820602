"""The points to which no other is preferable in both energy and time."""

from collections.abc import Mapping


def pareto_set(energy: Mapping[str, float], time: Mapping[str, float]) -> set[str]:
    """Return the points for which no other is at least as cheap and as fast, and better in one of the two.

    energy, time: by point.
    """
    return {name for name in energy if not any(_beats(other, name, energy, time) for other in energy)}


def _beats(other: str, name: str, energy: Mapping[str, float], time: Mapping[str, float]) -> bool:
    no_worse = energy[other] <= energy[name] and time[other] <= time[name]
    return no_worse and (energy[other] < energy[name] or time[other] < time[name])
