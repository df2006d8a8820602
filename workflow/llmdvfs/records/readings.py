"""The readings of a cell in columns, device by device: a long cell has millions, of which each reader wants a few.

A device's readings are of a few kinds (its energy counter alone, all of its other sensors, ...), so that a quantity is
in some of them only: it is a column with the rows that it is in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from llmdvfs.records.telemetry import Reading

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Line = dict[str, Any]
"""A reading as it is in the file: keys d, b, e, v (records/telemetry.py)."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """What a device's readings say of one quantity, in its own unit."""

    row: Ints
    """Which of the device's readings have it, ascending."""
    value: Floats
    """One value a row; NaN: it could not be read."""

    @property
    def told(self) -> Floats:
        """Return the values that could be read."""
        found: Floats = self.value[~np.isnan(self.value)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class DeviceReadings:
    """The readings of one device, in the order in which they began."""

    begin_mono_ns: Ints
    end_mono_ns: Ints
    columns: dict[str, Column]
    """By quantity."""

    def __len__(self) -> int:
        return len(self.begin_mono_ns)

    def column(self, quantity: str) -> Column:
        """Return a quantity's column, an empty one where the device does not have it."""
        return self.columns.get(quantity, NO_COLUMN)

    def between(self, first_ns: int, last_ns: int) -> "DeviceReadings":
        """Return the readings that began in [first, last] [ns]."""
        first = int(np.searchsorted(self.begin_mono_ns, first_ns))
        last = int(np.searchsorted(self.begin_mono_ns, last_ns, side="right"))
        columns = {}
        for quantity, own in self.columns.items():
            some = slice(*np.searchsorted(own.row, (first, last)))
            columns[quantity] = Column(own.row[some] - first, own.value[some])
        return DeviceReadings(self.begin_mono_ns[first:last], self.end_mono_ns[first:last], columns)


NO_COLUMN = Column(np.empty(0, dtype=np.int64), np.empty(0))
NO_READINGS = DeviceReadings(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), {})


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """The readings of all devices."""

    devices: dict[str, DeviceReadings] = field(default_factory=dict)
    """By device id."""

    def __len__(self) -> int:
        return sum(len(own) for own in self.devices.values())

    def of(self, device_id: str) -> DeviceReadings:
        """Return the readings of one device, none where it was not read."""
        return self.devices.get(device_id, NO_READINGS)


NOTHING_READ = Readings()


def readings_of(records: Iterable[Reading]) -> Readings:
    """Return records of single readings, in any order, in columns; causes of failed readings are left out."""
    collected = ReadingColumns()
    collected.add([{"d": r.device_id, "b": r.begin_mono_ns, "e": r.end_mono_ns, "v": r.values} for r in records])
    return collected.readings()


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some readings of one device that have the same quantities."""

    number: Ints
    """Of the reading among all."""
    begin_mono_ns: Ints
    end_mono_ns: Ints
    values: Floats
    """Shape (readings, quantities)."""


class ReadingColumns:
    """Collects lines of a telemetry file in columns, some at a time, so that they are never all held as lines."""

    def __init__(self) -> None:
        """Start without a line."""
        self._kinds: dict[tuple[str, ...], int] = {}
        self._parts: list[list[_Part]] = []
        self._num_lines = 0

    def add(self, lines: Sequence[Line]) -> None:
        """Take lines, in the file's order. ValueError, KeyError or TypeError where one of them is not a reading."""
        kinds = self._kinds
        kind = np.array([kinds.setdefault((line["d"], *line["v"]), len(kinds)) for line in lines], dtype=np.int64)
        begin_ns, end_ns = (np.array([line[edge] for line in lines], dtype=np.int64) for edge in "be")
        values = np.array([value for line in lines for value in line["v"].values()], dtype=np.float64)  # None: NaN
        self._parts += [[] for _ in range(len(kinds) - len(self._parts))]
        width = np.array([len(quantities) for _, *quantities in kinds], dtype=np.int64)
        first = np.cumsum(width[kind]) - width[kind]
        for one in np.unique(kind).tolist():
            own = np.flatnonzero(kind == one)
            of_own = values[first[own][:, None] + np.arange(width[one])]
            self._parts[one].append(_Part(self._num_lines + own, begin_ns[own], end_ns[own], of_own))
        self._num_lines += len(lines)

    def readings(self) -> Readings:
        """Return all that was taken."""
        by_device: dict[str, list[tuple[tuple[str, ...], _Part]]] = {}
        for (device_id, *quantities), number in self._kinds.items():
            parts = [(tuple(quantities), part) for part in self._parts[number]]
            by_device.setdefault(device_id, []).extend(parts)
        return Readings({device_id: _joined(parts) for device_id, parts in by_device.items()})


def _joined(parts: Sequence[tuple[tuple[str, ...], _Part]]) -> DeviceReadings:
    """Return the parts of one device, each with the names of its quantities, as one."""
    number = np.concatenate([part.number for _, part in parts])
    begin_ns = np.concatenate([part.begin_mono_ns for _, part in parts])
    end_ns = np.concatenate([part.end_mono_ns for _, part in parts])
    order = np.lexsort((number, begin_ns))
    row = np.empty(len(order), dtype=np.int64)
    row[order] = np.arange(len(order))
    edges = pairwise(accumulate((len(part.number) for _, part in parts), initial=0))
    found: dict[str, list[tuple[Ints, Floats]]] = {}
    for (quantities, part), (first, last) in zip(parts, edges, strict=True):
        for place, quantity in enumerate(quantities):
            found.setdefault(quantity, []).append((row[first:last], part.values[:, place]))
    return DeviceReadings(begin_ns[order], end_ns[order], {quantity: _column(own) for quantity, own in found.items()})


def _column(parts: Sequence[tuple[Ints, Floats]]) -> Column:
    row, value = (np.concatenate(own) for own in zip(*parts, strict=True))
    order = np.argsort(row)
    return Column(row[order], value[order])
