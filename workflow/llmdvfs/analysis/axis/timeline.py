"""Every telemetry reading on the one time axis, with the phase it fell into; docs/metrics.md#phases."""

from collections.abc import Sequence
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
    seen = {name for reading in readings for name in reading.values}
    values = {name: [reading.values.get(name) for reading in readings] for name in QUANTITIES if name in seen}
    frame = pd.concat([frame, pd.DataFrame(values)], axis=1)
    return frame.sort_values(["t_s", "device_id"], kind="stable", ignore_index=True)


def timeline_csv(frame: pd.DataFrame) -> str:
    """Return the timeline as CSV, every number with DIGITS significant digits."""
    return str(frame.to_csv(index=False, float_format=f"%.{DIGITS}g"))


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
