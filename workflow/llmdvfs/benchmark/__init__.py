"""Measures the cells of one launch: servers, sampler and load together, and brings the results into the store."""
