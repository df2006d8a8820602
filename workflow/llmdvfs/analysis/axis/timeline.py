"""Every telemetry reading on the one time axis, with the phase it fell into; docs/metrics.md#phases."""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmdvfs.analysis.axis.occupancy import occupancy_of
from llmdvfs.analysis.sensors import Floats
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.phases import PhaseInterval, PhasesRecord
from llmdvfs.records.spec import DeviceRole, Phase
from llmdvfs.records.telemetry import QUANTITIES, Reading

COUNTED: tuple[Phase, ...] = ("prefill", "transfer", "decode")
DIGITS = 15  # all that a float holds: a counter of 2e10 J moves by millijoules, and nine digits would step by 100 J
COLUMNS = ("t_s", "device_id", "role", "phase", "num_prefilling", "num_transferring", "num_decoding")


def timeline(readings: Sequence[Reading], phases: PhasesRecord, *, started_mono_ns: int) -> pd.DataFrame:
    """Return one row a reading, sorted by t_s: COLUMNS, then the quantities that any reading has.

    A reading stands at the middle of its time. Its phase is what the role's engine did, as for energies. The numbers
    are of requests by their own phases, so that one that waits for another's prefill is counted while the phase is
    `prefill`. A device without a role serves nobody: its role is empty and its phase idle throughout. Where the clock
    of a role's host is not known well enough, the role's phases are empty.
    """
    device_ids = [reading.device_id for reading in readings]
    columns: dict[str, Any] = {
        "t_s": _middles_s(readings, started_mono_ns),
        "device_id": device_ids,
        "role": [phases.device_roles.get(device_id, "") for device_id in device_ids],
    }
    frame = pd.DataFrame(columns)
    frame["phase"] = "idle"
    frame[list(COLUMNS[4:])] = 0
    for role in set(phases.device_roles.values()):
        mine = frame["role"] == role
        t_s = frame.loc[mine, "t_s"].to_numpy()
        told = role not in phases.clock_untold
        frame.loc[mine, "phase"] = occupancy_of(phases, role).phases_at(t_s) if told else ""
        for column, counted in zip(COLUMNS[4:], COUNTED, strict=True):
            frame.loc[mine, column] = _num_in(phases.intervals, role, counted, t_s)
    frame = pd.concat([frame, pd.DataFrame(_values(readings))], axis=1)
    return frame.sort_values(["t_s", "device_id"], kind="stable", ignore_index=True)


def timeline_csv(frame: pd.DataFrame) -> str:
    """Return the timeline as CSV, every number with DIGITS significant digits, what was not read as nothing.

    Most places of a large table are empty, which pandas formats one by one as it does numbers.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows(zip(*(_in_words(frame[name]) for name in frame.columns), strict=True))
    return text.getvalue()


def _in_words(column: "pd.Series[Any]") -> list[Any]:
    if not pd.api.types.is_float_dtype(column.dtype):
        return column.tolist()
    values = column.to_numpy()
    words = [""] * len(values)
    for row in np.flatnonzero(~np.isnan(values)).tolist():
        words[row] = f"{values[row]:.{DIGITS}g}"
    return words


def _values(readings: Sequence[Reading]) -> dict[str, npt.NDArray[Any]]:
    """Return one value a reading for each quantity that any of them has, NaN where one has none."""
    rows: dict[str, list[int]] = {}
    found: dict[str, list[float]] = {}
    for row, reading in enumerate(readings):
        for name, value in reading.values.items():
            own = rows.setdefault(name, [])
            if value is not None:
                own.append(row)
                found.setdefault(name, []).append(value)
    columns = {}
    for name in (name for name in QUANTITIES if name in rows):
        told = np.array(found.get(name, ()))  # whole numbers stay whole where every reading has one
        if len(told) < len(readings):
            column = np.full(len(readings), np.nan)
            column[rows[name]] = told
            told = column
        columns[name] = told
    return columns


def _middles_s(readings: Sequence[Reading], started_mono_ns: int) -> Floats:
    """Return the middle of each reading [s since started_mono_ns]."""
    begin_ns, end_ns = (
        np.array([getattr(reading, name) for reading in readings], dtype=np.int64)
        for name in ("begin_mono_ns", "end_mono_ns")
    )
    middles_s: Floats = ((begin_ns + end_ns) / 2 - started_mono_ns) / NS_PER_S
    return middles_s


def _num_in(intervals: Sequence[PhaseInterval], role: DeviceRole, phase: Phase, t_s: Floats) -> npt.NDArray[np.int64]:
    """Return how many requests are in a phase on the devices of a role at each instant."""
    mine = [i for i in intervals if i.phase == phase and role in ("host", i.role)]
    begun, ended = (
        np.searchsorted(np.sort([getattr(i, name) for i in mine]), t_s, side="right") for name in ("begin_s", "end_s")
    )
    return begun - ended
