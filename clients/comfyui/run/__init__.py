"""Runs one job, from its request to its result."""
