"""Workflows: read, converted, checked, filled in."""
