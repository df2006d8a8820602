"""Energy increments laid out block by block of time, so that a block's sums at any lag are one product.

Of two increments that follow each other the one begins where the other ends: a block is a row of instants, whose
neighbours enclose an increment each or, where the next one begins elsewhere, nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.level_seconds import LevelSeconds, level_seconds
from llmdvfs.analysis.axis.occupancy import Level, Occupancy
from llmdvfs.analysis.energy.phase_increments import PhaseIncrements
from llmdvfs.analysis.energy.regression import PhaseSums, phase_sums
from llmdvfs.analysis.sensors import Floats

MAX_INSTANTS = 10_000
"""Of all lags that are looked up at once: about two megabytes of seconds in levels."""


@dataclass(frozen=True, slots=True)
class IncrementBlocks:
    """Increments by block; shapes (blocks, places), but for `instant_s`."""

    instant_s: Floats
    """Shape (blocks, places + 1): what lies between two neighbours is a place."""
    length_s: Floats
    """Of the increment at each place; 0 where there is none."""
    energy_j: Floats
    occupancy: Occupancy
    levels: tuple[Level, ...]

    def sums_over(self, lags_s: Sequence[float] | Floats) -> PhaseSums:
        """Return the sums of the blocks at each lag, by which the readings trail the phases.

        Most of the levels of a rich model never occur in a window: their sums are 0, and are not worked out.
        """
        lags = np.asarray(lags_s, dtype=np.float64)
        running = level_seconds(self.occupancy, self.levels)
        span_s = np.array([self.instant_s.min() - lags.max(), self.instant_s.max() - lags.min()])
        occurs = np.flatnonzero(np.diff(running.before(span_s), axis=0)[0] > 0)
        seconds = self.seconds_over(lags, running.only(occurs))
        return phase_sums(seconds, self.length_s, self.energy_j).among(occurs, len(self.levels))

    def seconds_over(self, lags_s: Floats, running: LevelSeconds) -> Iterator[Floats]:
        """Yield the seconds that passed in each level at each place, shape (lags, blocks, places, levels).

        Lags are taken as many at a time as MAX_INSTANTS allows: all of them together are gigabytes where a window is
        long, and one at a time is slow where it is short.
        """
        at_a_time = max(MAX_INSTANTS // max(self.instant_s.size, 1), 1)
        for first in range(0, len(lags_s), at_a_time):
            yield np.diff(running.before(self.instant_s - lags_s[first : first + at_a_time, None, None]), axis=2)


def in_blocks(rows: PhaseIncrements, block: npt.NDArray[np.int64]) -> IncrementBlocks:
    """Return the increments by the number of their block; those of one block keep their order."""
    order = np.argsort(block, kind="stable")
    begin_s, end_s = ((edge_s - rows.later_s)[order] for edge_s in (rows.begin_s, rows.end_s))
    _, first, number = np.unique(block[order], return_index=True, return_inverse=True)
    follows = np.concatenate(([False], begin_s[1:] == end_s[:-1]))[: len(order)]
    follows[first] = False
    last = np.arange(len(order)) + np.cumsum(~follows)  # where each increment's end is among all instants, in a row
    last -= (last[first] - 1)[number]
    num_instants = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(num_instants, number, last + 1)
    instant_s = np.zeros((len(first), int(num_instants.max(initial=1))))
    instant_s[number, last] = end_s
    instant_s[number[~follows], last[~follows] - 1] = begin_s[~follows]
    unused = np.arange(instant_s.shape[1]) >= num_instants[:, None]
    instant_s = np.where(unused, instant_s[np.arange(len(first)), num_instants - 1][:, None], instant_s)
    length_s, energy_j = np.zeros((2, len(first), instant_s.shape[1] - 1))
    length_s[number, last - 1] = rows.length_s[order]
    energy_j[number, last - 1] = rows.energy_j[order]
    return IncrementBlocks(instant_s, length_s, energy_j, rows.occupancy, rows.levels)
