"""Readings over time, thinned so that a page of any number of cells stays small, with the extremes kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmdvfs.report.cells import ReportedCell

Floats = npt.NDArray[np.float64]
Panel = Literal["power_w", "clock_mhz", "utilisation_percent", "requests"]

MAX_POINTS_A_CURVE = 400
MAX_POINTS_A_PAGE = 300_000  # some 15 bytes each: 4.5 MB
MIN_POINTS_A_CURVE = 4  # the ends and both extremes
SIGNIFICANT_DIGITS = 4

SOURCES: tuple[tuple[Panel, tuple[str, ...], float], ...] = (
    ("power_w", ("power_instant_w", "power_average_w"), 1.0),
    ("clock_mhz", ("sm_clock_mhz", "cpu_clock_mhz"), 1.0),
    ("utilisation_percent", ("gpu_utilisation_fraction", "cpu_utilisation_fraction"), 1e2),
)
"""Panel, the columns of timeline.csv that can fill it (the first that a device has), shown per unit."""
COUNTS = {"prefill": "num_prefilling", "transfer": "num_transferring", "decode": "num_decoding"}


class Curve(NamedTuple):
    """One line of a cell's timeline, as the page's script draws it."""

    panel: Panel
    name: str
    """Name of the device, or of the phase in the panel of requests."""
    role: str
    """What gives the line its colour: prefill, decode, single, host; a phase; empty: the device serves nobody."""
    t_s: list[float]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lines of one cell, and the window [s] that its numbers are taken from."""

    cell: str
    window_s: tuple[float, float]
    curves: list[Curve]


def timelines(cells: Sequence[ReportedCell]) -> list[Timeline]:
    """Return the readings of every cell, about MAX_POINTS_A_PAGE points at most over all cells."""
    whole = [list(_whole_curves(cell.timeline)) for cell in cells]
    room = MAX_POINTS_A_PAGE // max(sum(map(len, whole)), 1)
    points = max(min(room, MAX_POINTS_A_CURVE), MIN_POINTS_A_CURVE)
    return [
        Timeline(
            cell.name,
            (round(cell.result.window.begin_s, 3), round(cell.result.window.end_s, 3)),
            [
                Curve(panel, name, role, *_rounded(*thinned(t_s, values, points)))
                for panel, name, role, t_s, values in own
            ],
        )
        for cell, own in zip(cells, whole, strict=True)
    ]


def thinned(t_s: Floats, values: Floats, points: int) -> tuple[Floats, Floats]:
    """Return `points` points at most: both ends, and of each stretch between the lowest and the highest."""
    if len(t_s) <= points:
        return t_s, values
    stretch = np.arange(len(t_s) - 2) * max((points - 2) // 2, 1) // (len(t_s) - 2)
    by_value = 1 + np.lexsort((values[1:-1], stretch))  # stretch by stretch, in each from the lowest to the highest
    borders = np.flatnonzero(np.diff(stretch)) + 1
    lowest, highest = by_value[np.r_[0, borders]], by_value[np.r_[borders - 1, -1]]
    kept = np.unique(np.r_[0, lowest, highest, len(t_s) - 1])
    return t_s[kept], values[kept]


def _whole_curves(timeline: pd.DataFrame) -> Iterator[tuple[Panel, str, str, Floats, Floats]]:
    """Yield panel, name, role, instants and values of every line with at least two readings."""
    for device, own in timeline.groupby("device_id", sort=True, observed=True):
        role = own["role"].dropna().astype(str)
        for panel, columns, per_unit in SOURCES:
            column = next((name for name in columns if name in own and own[name].notna().sum() > 1), None)
            if column is not None:
                read = own[["t_s", column]].dropna()
                values = read[column].to_numpy(float) * per_unit
                yield panel, str(device), role.iloc[0] if len(role) else "", read["t_s"].to_numpy(float), values
    for phase, column in COUNTS.items():
        if column not in timeline:
            continue
        # The other roles' readings, and those of devices that serve nobody, count no request in it at any time.
        doing = timeline.loc[timeline[column] > 0, "role"].unique()
        counted = timeline[timeline["role"].isin(doing)].groupby("t_s", sort=True)[column].max()
        if len(counted) > 0:
            yield "requests", phase, phase, counted.index.to_numpy(float), counted.to_numpy(float)


def _rounded(t_s: Floats, values: Floats) -> tuple[list[float], list[float]]:
    shown = [float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in values]
    return [round(float(t), 3) for t in t_s], shown
