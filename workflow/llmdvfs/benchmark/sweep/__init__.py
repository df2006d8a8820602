"""Measures operating points under one running load: each is entered, settled, measured and left (docs/dvfs.md)."""
