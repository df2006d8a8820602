"""Every telemetry reading on the one time axis, with the phase it fell into; docs/metrics.md#phases."""

from bisect import bisect_right
from collections.abc import Sequence

import pandas as pd

from llmdvfs.analysis.axis.occupancy import occupancy_of
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
    `prefill`. A device without a role serves nobody: its role is empty and its phase idle throughout.
    """
    roles = set(phases.device_roles.values())
    counters = {role: _Requests(phases.intervals, role) for role in roles}
    occupancies = {role: occupancy_of(phases, role) for role in roles}
    rows = []
    for reading in readings:
        t_s = ((reading.begin_mono_ns + reading.end_mono_ns) / 2 - started_mono_ns) / NS_PER_S
        role = phases.device_roles.get(reading.device_id)
        phase, counts = (occupancies[role].phase_at(t_s), counters[role].at(t_s)) if role else ("idle", (0, 0, 0))
        rows.append((t_s, reading.device_id, role or "", phase, *counts, reading.values))
    seen = {name for row in rows for name in row[-1]}
    quantities = [name for name in QUANTITIES if name in seen]
    table = [(*row[:-1], *(row[-1].get(name) for name in quantities)) for row in rows]
    frame = pd.DataFrame(table, columns=[*COLUMNS, *quantities])
    return frame.sort_values(["t_s", "device_id"], kind="stable", ignore_index=True)


def timeline_csv(frame: pd.DataFrame) -> str:
    """Return the timeline as CSV, every number with DIGITS significant digits."""
    return str(frame.to_csv(index=False, float_format=f"%.{DIGITS}g"))


class _Requests:
    """Tells how many requests are in each phase on the devices of a role, at any instant."""

    def __init__(self, intervals: Sequence[PhaseInterval], role: DeviceRole) -> None:
        mine = [interval for interval in intervals if role in ("host", interval.role)]
        self._begins = [sorted(i.begin_s for i in mine if i.phase == phase) for phase in COUNTED]
        self._ends = [sorted(i.end_s for i in mine if i.phase == phase) for phase in COUNTED]

    def at(self, t_s: float) -> tuple[int, int, int]:
        """Return the numbers of requests that are prefilling, transferring and decoding at an instant [s]."""
        prefill, transfer, decode = (
            bisect_right(begins, t_s) - bisect_right(ends, t_s)
            for begins, ends in zip(self._begins, self._ends, strict=True)
        )
        return prefill, transfer, decode
