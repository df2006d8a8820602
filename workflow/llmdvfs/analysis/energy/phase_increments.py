"""Energy increments of a role's devices beside the phases they fell into: the rows of the phase regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.level_seconds import level_seconds
from llmdvfs.analysis.axis.occupancy import Level, Occupancy
from llmdvfs.analysis.energy.curve import Incremental
from llmdvfs.analysis.sensors import Floats
from llmdvfs.records.spec import Phase

MAX_INCREMENTS = 10_000
"""Of a role: more tell its powers no better. Of a longer window as many stretches are taken, evenly spread over it."""
STRETCH_S = 1.0


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
    whole_s: float
    """Device seconds that the increments cover, those of stretches that were not taken among them."""

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
        seconds = level_seconds(self.occupancy, self.levels)
        later_s = self.later_s + lag_s
        return seconds.before(self.end_s - later_s) - seconds.before(self.begin_s - later_s)


def phase_increments(
    curves: Sequence[Incremental],
    occupancy: Occupancy,
    levels: tuple[Level, ...],
    window_s: tuple[float, float],
    later_s: Sequence[float] | None = None,
    most: int | None = None,
) -> PhaseIncrements:
    """Return the increments of all devices that lie inside the window.

    later_s: by how much each device trails the first one; None: not at all.

    Where they are more than `most` (None: MAX_INCREMENTS), those of whole stretches that are spread evenly over the
    window.
    """
    found = [curve.increments(*window_s) for curve in curves]
    begin_s = np.concatenate([i.begin_s for i in found])
    end_s = np.concatenate([i.end_s for i in found])
    late_s = np.concatenate(
        [np.full(len(i.begin_s), late) for i, late in zip(found, later_s or [0.0] * len(found), strict=True)]
    )
    taken = _taken(begin_s - window_s[0], MAX_INCREMENTS if most is None else most)
    return PhaseIncrements(
        begin_s=begin_s[taken],
        end_s=end_s[taken],
        energy_j=np.concatenate([i.energy_j for i in found])[taken],
        occupancy=occupancy,
        levels=levels,
        poll_interval_s=max(float(np.median(np.diff(curve.poll_s))) for curve in curves),
        later_s=late_s[taken],
        whole_s=float((end_s - begin_s).sum()),
    )


def _taken(since_s: Floats, most: int) -> npt.NDArray[np.bool_]:
    """Return which increments are taken; since_s: of each begin since the window's; most: how many at most.

    Of every few stretches one is drawn: an even step could keep step with a load that comes in waves.
    """
    stretch = since_s // STRETCH_S
    every = len(since_s) / most
    if every <= 1:
        return np.ones(len(since_s), dtype=np.bool_)
    groups = np.arange(np.floor(stretch.max() / every) + 1)
    drawn = np.random.default_rng(0).random(len(groups))
    return np.isin(stretch, np.floor((groups + drawn) * every))
