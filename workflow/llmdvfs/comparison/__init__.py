"""Compares the cells of several deployments, points and launches, like with like only."""
