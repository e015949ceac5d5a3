"""The terminal command ``blender -b film.blend --command movie_director VERB``."""

from __future__ import annotations


def register() -> None:
    """Add the command."""
    from . import command_line

    command_line.register()


def unregister() -> None:
    """Remove the command."""
    from . import command_line

    command_line.unregister()
