"""Power and energy of devices over time, from the readings of timeline.csv."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmdvfs.records.running_energy import counted_j, integrated_j

Floats = npt.NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""Instants [s since the cell's start] and values."""

POWER_COLUMNS = ("power_instant_w", "power_average_w")


def quantity_curve(timeline: pd.DataFrame, device_id: str, column: str) -> Curve | None:
    """Return one device's readings of a column of timeline.csv; None where there are fewer than two."""
    if column not in timeline:
        return None
    own = timeline.loc[timeline["device_id"] == device_id, ["t_s", column]].dropna().sort_values("t_s")
    return (own["t_s"].to_numpy(float), own[column].to_numpy(float)) if len(own) > 1 else None


def power_curve(timeline: pd.DataFrame, device_id: str) -> Curve | None:
    """Return a device's power [W]: its instant power, else its averaged power, else the slope of its energy counter."""
    for column in POWER_COLUMNS:
        curve = quantity_curve(timeline, device_id, column)
        if curve:
            return curve
    counter = quantity_curve(timeline, device_id, "energy_j")
    return _slope(*_changes(*counter)) if counter else None


def energy_curve(timeline: pd.DataFrame, device_id: str) -> Curve | None:
    """Return the energy since the first reading [J], never falling: the counter's, else the integral of power."""
    counter = quantity_curve(timeline, device_id, "energy_j")
    if counter:
        return counter[0], counted_j(counter[1])
    power = power_curve(timeline, device_id)
    return (power[0], integrated_j(*power)) if power else None


def summed(curves: list[Curve]) -> Curve:
    """Return the sum of the curves over the time that all of them cover."""
    t_s, values = together(curves)
    return t_s, values.sum(axis=0)


def together(curves: list[Curve]) -> tuple[Floats, Floats]:
    """Return common instants [s] and, a row a curve, the values there; devices are read at different instants."""
    begin, end = max(t_s[0] for t_s, _ in curves), min(t_s[-1] for t_s, _ in curves)
    t_s = np.unique(np.concatenate([t_s for t_s, _ in curves]))
    t_s = t_s[(t_s >= begin) & (t_s <= end)]
    return t_s, np.stack([np.interp(t_s, *curve) for curve in curves])


def _changes(t_s: Floats, counter_j: Floats) -> Curve:
    """Return the readings at which the counter moved: between its updates it says nothing."""
    moved = np.concatenate([[True], np.diff(counter_j) != 0])
    return t_s[moved], counter_j[moved]


def _slope(t_s: Floats, counter_j: Floats) -> Curve | None:
    if len(t_s) < 3:
        return None
    return (t_s[1:] + t_s[:-1]) / 2, np.diff(counter_j) / np.diff(t_s)
