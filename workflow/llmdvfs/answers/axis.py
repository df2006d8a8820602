"""Rows of points: those of a load that differ only in one number, so that one of them has neighbours and an end."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from llmdvfs.records.point import OperatingPoint

Quantity = Literal["sm_clock_mhz", "memory_clock_mhz", "power_limit_w"]
QUANTITIES: tuple[Quantity, ...] = ("sm_clock_mhz", "memory_clock_mhz", "power_limit_w")
UNITS = {"sm_clock_mhz": "MHz", "memory_clock_mhz": "MHz", "power_limit_w": "W"}


@dataclass(frozen=True, slots=True)
class Axis:
    """The points that agree in everything but one setting, which some roles share."""

    quantity: Quantity
    roles: tuple[str, ...]
    """The roles that the setting is made for, all to the same value."""
    points: tuple[tuple[float, str], ...]
    """(setting, name of the point) by rising setting; at least two."""


def axes(points: Iterable[OperatingPoint], roles: Collection[str]) -> list[Axis]:
    """Return every row of two or more points.

    roles: those of the deployment; a point for all architectures has settings of others too. A point lies on
    several rows where its roles are set both together and apart.
    """
    rows: dict[tuple[Quantity, tuple[str, ...], str], dict[float, str]] = {}
    for point in points:
        for quantity in QUANTITIES:
            settings: dict[str, float] = {
                role: value for role, value in getattr(point, quantity).items() if role in roles
            }
            for moved in _moved_together(settings):
                rest = {role: value for role, value in settings.items() if role not in moved}
                others = {name: getattr(point, name) for name in (*QUANTITIES, "sm_clock_min_mhz") if name != quantity}
                row = rows.setdefault((quantity, moved, repr((sorted(rest.items()), others))), {})
                row[settings[moved[0]]] = point.id
    return [
        Axis(quantity, moved, tuple(sorted(row.items()))) for (quantity, moved, _), row in rows.items() if len(row) > 1
    ]


def _moved_together(settings: dict[str, float]) -> set[tuple[str, ...]]:
    """Return the sets of roles that one number describes: each alone, and all of them where they are set alike."""
    moved: set[tuple[str, ...]] = {(role,) for role in settings}
    if len(set(settings.values())) == 1:
        moved.add(tuple(sorted(settings)))
    return moved
