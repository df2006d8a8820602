"""How long the devices of a role were in each phase, from the phases of the requests (docs/metrics.md#energy)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.timeline import phase_of
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.phases import PhaseInterval
from llmdvfs.records.spec import DeviceRole, Phase

PHASES: tuple[Phase, ...] = ("prefill", "decode", "mixed", "transfer", "idle")


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The phase of a role over time: `phase[i]` from `edge_s[i]` to `edge_s[i + 1]`; idle before and after."""

    edge_s: Floats
    phase: tuple[Phase, ...]
    spent_s: dict[Phase, Floats]
    """Seconds spent in each phase since the first edge, at each edge."""

    def seconds_before(self, phase: Phase, t_s: Floats) -> Floats:
        """Return the seconds spent in the phase up to each instant, from an origin that all calls share."""
        if not len(self.edge_s):
            return t_s.copy() if phase == "idle" else np.zeros_like(t_s)
        found: Floats = np.interp(t_s, self.edge_s, self.spent_s[phase])
        if phase == "idle":
            found += np.minimum(t_s - self.edge_s[0], 0.0) + np.maximum(t_s - self.edge_s[-1], 0.0)
        return found

    def is_in(self, phase: Phase, t_s: Floats) -> npt.NDArray[np.bool_]:
        """Return whether the role is in the phase at each instant."""
        around: tuple[Phase, ...] = ("idle", *self.phase, "idle") if len(self.edge_s) else ("idle",)
        matches = np.array([p == phase for p in around])
        return matches[np.searchsorted(self.edge_s, t_s, side="right")]

    def seconds_between(self, phase: Phase, begin_s: float, end_s: float) -> float:
        """Return the seconds spent in the phase in [begin, end]."""
        first, last = self.seconds_before(phase, np.array([begin_s, end_s]))
        return float(last - first)


def role_occupancy(intervals: Sequence[PhaseInterval], role: DeviceRole) -> Occupancy:
    """Return the phase of the role over time (`host`: of all roles together).

    A request in `mixed` counts as prefilling and decoding.
    """
    steps: dict[float, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    for interval in intervals:
        if role not in ("host", interval.role) or interval.end_s <= interval.begin_s:
            continue
        kind = interval.phase
        change = np.array(
            [kind in ("prefill", "mixed"), kind == "transfer", kind in ("decode", "mixed")], dtype=np.int64
        )
        for instant_s, sign in ((interval.begin_s, 1), (interval.end_s, -1)):
            steps[instant_s] = steps.get(instant_s, np.zeros(3, dtype=np.int64)) + sign * change
    edges = np.array(sorted(steps), dtype=np.float64)
    counts = np.cumsum([steps[edge] for edge in edges], axis=0) if len(edges) else np.empty((0, 3))
    phases = tuple(phase_of(*(int(n) for n in row)) for row in counts[:-1])
    return Occupancy(edges, phases, {phase: _spent_s(edges, phases, phase) for phase in PHASES})


def _spent_s(edges: Floats, phases: Sequence[Phase], phase: Phase) -> Floats:
    inside = np.array([p == phase for p in phases], dtype=np.float64)
    return np.concatenate(([0.0], np.cumsum(inside * np.diff(edges))))
