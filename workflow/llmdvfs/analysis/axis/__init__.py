"""Phases, occupancy and readings on the cell's one time axis, and the window in which the load was steady."""
