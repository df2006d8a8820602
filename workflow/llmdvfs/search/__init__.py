"""Adaptive search: decides what to measure next by what was measured, until the best clocks are found."""
