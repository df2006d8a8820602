"""Writes and describes the models that a configuration names: tiny, a known shape, a folder, a hub name."""
