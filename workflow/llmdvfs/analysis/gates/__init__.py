"""Judges whether a cell may be trusted: each gate says what was seen, what was expected and what to do."""
