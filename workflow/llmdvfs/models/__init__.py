"""Writes and describes the models that a configuration names: tiny, of a known shape, in a folder, on a hub."""
