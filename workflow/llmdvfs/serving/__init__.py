"""Starts, watches and stops vLLM in every architecture."""
