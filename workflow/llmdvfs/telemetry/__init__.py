"""Reads the sensors of GPUs and CPUs, and holds GPUs at the clocks and limits of an operating point."""
