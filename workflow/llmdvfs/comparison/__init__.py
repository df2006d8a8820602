"""Cells of several deployments, points and launches, like with like."""
