"""Seconds that a role spent in each of several levels up to any instant, looked up for many instants at once."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from llmdvfs.analysis.axis.occupancy import Level, Occupancy
from llmdvfs.analysis.sensors import Floats


@lru_cache(maxsize=2)
def level_seconds(occupancy: Occupancy, levels: tuple[Level, ...]) -> "LevelSeconds":
    """Return the running seconds of an occupancy, added up once for all devices of a role."""
    edge_s, rate = occupancy.edge_s, np.stack([occupancy.weights(level) for level in levels], axis=1)
    if not len(rate):  # nothing ever ran: one piece without length, idle before it and after it
        edge_s, rate = np.zeros(2), np.zeros((1, len(levels)))
    running_s = np.cumsum(rate * np.diff(edge_s)[:, None], axis=0)
    at_edge_s = np.concatenate((np.zeros((1, len(levels))), running_s))
    return LevelSeconds(edge_s, rate, at_edge_s, np.array([level.phase == "idle" for level in levels]))


@dataclass(frozen=True, slots=True, eq=False)
class LevelSeconds:
    """Running seconds in levels; their origin is the same for all instants."""

    edge_s: Floats
    rate: Floats
    """How much of each piece of time between two edges is in each level, shape (pieces, levels)."""
    at_edge_s: Floats
    """Seconds up to each edge, shape (edges, levels)."""
    is_idle: npt.NDArray[np.bool_]
    """Whether each level is of the time before the first edge and after the last."""

    def only(self, levels: npt.NDArray[np.intp]) -> "LevelSeconds":
        """Return the running seconds of some of the levels."""
        rate, at_edge_s = (np.ascontiguousarray(table[:, levels]) for table in (self.rate, self.at_edge_s))
        return LevelSeconds(self.edge_s, rate, at_edge_s, self.is_idle[levels])

    def before(self, t_s: Floats) -> Floats:
        """Return the seconds spent in each level up to each instant, shape (*instants, levels)."""
        first_s, last_s = self.edge_s[[0, -1]]
        flat_s = t_s.ravel()
        piece = np.clip(np.searchsorted(self.edge_s, flat_s, side="right") - 1, 0, len(self.rate) - 1)
        found = np.take(self.rate, piece, axis=0)
        found *= (np.clip(flat_s, first_s, last_s) - self.edge_s[piece])[:, None]
        found += np.take(self.at_edge_s, piece, axis=0)
        outside_s = np.minimum(flat_s - first_s, 0.0) + np.maximum(flat_s - last_s, 0.0)
        if outside_s.any():
            found[:, self.is_idle] += outside_s[:, None]
        return found.reshape(*t_s.shape, -1)
