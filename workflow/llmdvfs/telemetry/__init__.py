"""Reads the sensors of GPUs and CPUs."""
