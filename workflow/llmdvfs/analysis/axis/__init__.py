"""Puts phases, occupancy and readings on the cell's one time axis, and finds the window of steady load."""
