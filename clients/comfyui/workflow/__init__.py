"""Workflows: load, convert, check and fill them in."""
