"""A run as other benchmarks would report it."""
