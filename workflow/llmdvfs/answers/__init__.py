"""Answers "which clocks?", with intervals, from the results of a study's operating points."""
