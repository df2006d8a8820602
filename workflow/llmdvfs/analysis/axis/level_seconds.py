"""Seconds that a role spent in each of several levels up to any instant, looked up for many instants at once."""

from collections.abc import Sequence

import numpy as np

from llmdvfs.analysis.axis.occupancy import Level, Occupancy
from llmdvfs.analysis.sensors import Floats


class LevelSeconds:
    """Running seconds in levels; their origin is the same for all instants."""

    def __init__(self, occupancy: Occupancy, levels: Sequence[Level]) -> None:
        """Add up the pieces of the occupancy."""
        edge_s, rate = occupancy.edge_s, np.stack([occupancy.weights(level) for level in levels], axis=1)
        if not len(rate):  # nothing ever ran: one piece without length, idle before it and after it
            edge_s, rate = np.zeros(2), np.zeros((1, len(levels)))
        running_s = np.cumsum(rate * np.diff(edge_s)[:, None], axis=0)
        self._edge_s, self._rate = edge_s, rate
        self._at_edge_s = np.concatenate((np.zeros((1, len(levels))), running_s))
        self._idle = np.flatnonzero([level.phase == "idle" for level in levels])

    def before(self, t_s: Floats) -> Floats:
        """Return the seconds spent in each level up to each instant, shape (*instants, levels)."""
        first_s, last_s = self._edge_s[[0, -1]]
        flat_s = t_s.ravel()
        piece = np.clip(np.searchsorted(self._edge_s, flat_s, side="right") - 1, 0, len(self._rate) - 1)
        found = np.take(self._rate, piece, axis=0)
        found *= (np.clip(flat_s, first_s, last_s) - self._edge_s[piece])[:, None]
        found += np.take(self._at_edge_s, piece, axis=0)
        outside_s = np.minimum(flat_s - first_s, 0.0) + np.maximum(flat_s - last_s, 0.0)
        if outside_s.any():
            found[:, self._idle] += outside_s[:, None]
        return found.reshape(*t_s.shape, -1)
