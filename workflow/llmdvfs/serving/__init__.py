"""Starts, watches and stops the servers of a deployment, in every architecture."""
