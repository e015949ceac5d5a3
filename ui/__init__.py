"""Panels. They draw the state of jobs and settings and own none of it."""

from __future__ import annotations


def register() -> None:
    """Add the panels."""
    from . import panels

    panels.register()


def unregister() -> None:
    """Take them out."""
    from . import panels

    panels.unregister()
