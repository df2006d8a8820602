"""Looks at a machine before a run: nothing is started, nothing is changed."""
