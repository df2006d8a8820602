"""Measures power, energy and latency of LLM serving, phase by phase."""

__version__ = "0.1.0"
