"""Energy increments of a role's devices beside the phases they fell into: the rows of the phase regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.occupancy import Level, Occupancy
from llmdvfs.analysis.energy.curve import EnergyCurve
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.spec import Phase


@dataclass(frozen=True, slots=True)
class PhaseIncrements:
    """Increments of one device after the other, those of each device sorted by time."""

    begin_s: Floats
    end_s: Floats
    energy_j: Floats
    occupancy: Occupancy
    levels: tuple[Level, ...]
    poll_interval_s: float
    """Time between two readings of the sensor."""
    later_s: Floats
    """For each increment, by how much its device trails the phases more than the role's first device does."""

    @property
    def length_s(self) -> Floats:
        """Return the length of each increment [s]."""
        return self.end_s - self.begin_s

    @property
    def follows(self) -> npt.NDArray[np.bool_]:
        """Return whether each increment begins with the refresh that ends the one before it in the list."""
        return np.concatenate(([False], self.begin_s[1:] == self.end_s[:-1]))

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases that the levels belong to."""
        return tuple(dict.fromkeys(level.phase for level in self.levels))

    def level_of_phase(self) -> Floats:
        """Return 1 where a level belongs to a phase, else 0; shape (levels, phases)."""
        return np.array([[float(level.phase == phase) for phase in self.phases] for level in self.levels])

    def seconds(self, lag_s: float) -> Floats:
        """Return the seconds that each increment spent in each level, shape (increments, levels).

        lag_s: by how much the readings trail the phases.
        """
        found: Floats = self.seconds_over((lag_s,))[0]
        return found

    def seconds_over(self, lags_s: Sequence[float] | Floats) -> Floats:
        """Return the same for each of several lags, shape (lags, increments, levels)."""
        shift_s = np.asarray(lags_s)[:, None] + self.later_s
        begin_s, end_s = self.begin_s - shift_s, self.end_s - shift_s
        columns = []
        for level in self.levels:
            at_edges = self.occupancy.seconds_at_edges(level) if len(self.occupancy.edge_s) else None
            before_end, before_begin = (self.occupancy.seconds_before(level, t_s, at_edges) for t_s in (end_s, begin_s))
            columns.append(before_end - before_begin)
        return np.stack(columns, axis=2)


def phase_increments(
    curves: Sequence[EnergyCurve],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    later_s: Sequence[float] | None = None,
) -> PhaseIncrements:
    """Return the increments of all devices that lie inside the window.

    later_s: by how much each device trails the first one; None: not at all.
    """
    found = [curve.increments(*window_s) for curve in curves]
    return PhaseIncrements(
        begin_s=np.concatenate([i.begin_s for i in found]),
        end_s=np.concatenate([i.end_s for i in found]),
        energy_j=np.concatenate([i.energy_j for i in found]),
        occupancy=occupancy,
        levels=levels,
        poll_interval_s=max(float(np.median(np.diff(curve.poll_s))) for curve in curves),
        later_s=np.concatenate(
            [np.full(len(i.begin_s), late) for i, late in zip(found, later_s or [0.0] * len(found), strict=True)]
        ),
    )
