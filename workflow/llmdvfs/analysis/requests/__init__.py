"""Latency, throughput and balance, from the requests of a cell."""
