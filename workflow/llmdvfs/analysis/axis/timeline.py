"""Every telemetry reading on the one time axis, with the phase it fell into; docs/metrics.md#phases."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.occupancy import occupancy_of
from llmdvfs.analysis.sensors import Floats, middles_s
from llmdvfs.records.phases import PhaseInterval, PhasesRecord
from llmdvfs.records.readings import DeviceReadings, Readings
from llmdvfs.records.spec import DeviceRole, Phase
from llmdvfs.records.telemetry import QUANTITIES

COUNTED: tuple[Phase, ...] = ("prefill", "transfer", "decode")
DIGITS = 15  # all that a float holds: a counter of 2e10 J moves by millijoules, and nine digits would step by 100 J
COLUMNS = ("t_s", "device_id", "role", "phase", "num_prefilling", "num_transferring", "num_decoding")
FORMATS = (f"%.{DIGITS}g", "%s", "%s", "%s", "%d", "%d", "%d")
ROWS_AT_ONCE = 100_000  # of the table that are words at a time: 50 MB of them

Table = dict[str, npt.NDArray[Any]]
"""Columns by name, of one length."""


def timeline(readings: Readings, phases: PhasesRecord, *, started_mono_ns: int) -> Table:
    """Return one row a reading, sorted by t_s: COLUMNS, then the quantities that any reading has (NaN: not read).

    A reading stands at the middle of its time. Its phase is what the role's engine did, as for energies. The numbers
    are of requests by their own phases, so that one that waits for another's prefill is counted while the phase is
    `prefill`. A device without a role serves nobody: its role is empty and its phase idle throughout. Where the clock
    of a role's host is not known well enough, the role's phases are empty.
    """
    devices = dict(sorted(readings.devices.items()))
    number = np.repeat(np.arange(len(devices)), [len(own) for own in devices.values()])
    t_s = np.concatenate(
        [np.empty(0), *(middles_s(own.begin_mono_ns, own.end_mono_ns, started_mono_ns) for own in devices.values())]
    )
    role_of = np.array([phases.device_roles.get(device_id, "") for device_id in devices], dtype=np.object_)
    table: Table = {
        "t_s": t_s,
        "device_id": np.array(list(devices), dtype=np.object_)[number],
        "role": role_of[number],
        "phase": np.full(len(t_s), "idle", dtype=np.object_),
        **{name: np.zeros(len(t_s), dtype=np.int64) for name in COLUMNS[4:]},
        **_values(devices, len(t_s)),
    }
    for role in set(phases.device_roles.values()):
        mine = (role_of == role)[number]
        told = role not in phases.clock_untold
        table["phase"][mine] = occupancy_of(phases, role).phases_at(t_s[mine]) if told else ""
        for column, counted in zip(COLUMNS[4:], COUNTED, strict=True):
            table[column][mine] = _num_in(phases.intervals, role, counted, t_s[mine])
    order = np.lexsort((number, t_s))
    return {name: column[order] for name, column in table.items()}


def timeline_csv(table: Table) -> str:
    """Return the timeline as CSV, every number with DIGITS significant digits, what was not read as nothing."""
    quantities = [name for name in table if name not in COLUMNS]
    rows = range(0, len(table["t_s"]), ROWS_AT_ONCE)
    parts = (
        _lines({name: column[first : first + ROWS_AT_ONCE] for name, column in table.items()}, quantities)
        for first in rows
    )
    return "".join([",".join(table) + "\n", *parts])


def _lines(table: Table, quantities: Sequence[str]) -> str:
    """Return some rows as lines: rows with the same quantities have one format, since most places are empty."""
    told = np.array([~np.isnan(table[name]) for name in quantities], dtype=np.int64).reshape(len(quantities), -1)
    kind = (told << np.arange(len(quantities))[:, None]).sum(axis=0)
    lines = np.empty(len(kind), dtype=np.object_)
    for one in np.unique(kind).tolist():
        mine = np.flatnonzero(kind == one)
        has = [bool(one >> place & 1) for place in range(len(quantities))]
        line = ",".join((*FORMATS, *(f"%.{DIGITS}g" if own else "" for own in has))) + "\n"
        names = (*COLUMNS, *(name for name, own in zip(quantities, has, strict=True) if own))
        lines[mine] = [line % row for row in zip(*(_cells(table[name][mine]) for name in names), strict=True)]
    return "".join(lines.tolist())


def _cells(column: npt.NDArray[Any]) -> list[Any]:
    """Return the values of a column, words that hold a comma or a quote as CSV wants them."""
    cells: list[Any] = column.tolist()
    if column.dtype != np.object_:
        return cells
    quoted = {word: '"' + word.replace('"', '""') + '"' for word in set(cells) if {*word} & {*',"\n\r'}}
    return [quoted.get(word, word) for word in cells] if quoted else cells


def _values(devices: Mapping[str, DeviceReadings], num_rows: int) -> Table:
    """Return each quantity that any reading has, one value a row, those of one device after the other."""
    names = {name for own in devices.values() for name in own.columns}
    table = {name: np.full(num_rows, np.nan) for name in QUANTITIES if name in names}
    first = 0
    for own in devices.values():
        for name, column in own.columns.items():
            if name in table:
                table[name][first + column.row] = column.value
        first += len(own)
    return table


def _num_in(intervals: Sequence[PhaseInterval], role: DeviceRole, phase: Phase, t_s: Floats) -> npt.NDArray[np.int64]:
    """Return how many requests are in a phase on the devices of a role at each instant."""
    mine = [i for i in intervals if i.phase == phase and role in ("host", i.role)]
    begun, ended = (
        np.searchsorted(np.sort([getattr(i, name) for i in mine]), t_s, side="right") for name in ("begin_s", "end_s")
    )
    return begun - ended
