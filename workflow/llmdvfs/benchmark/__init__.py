"""Measures the cells of one launch: servers, sampler and load together."""
