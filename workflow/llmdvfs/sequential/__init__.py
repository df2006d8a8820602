"""Adds launches one by one until the intervals of a comparison are narrow enough (docs/statistics.md)."""
