"""The edge between Blender and the runtime: settings, the pump, and the placing of results. Main thread only."""

from __future__ import annotations


def register() -> None:
    """Add the properties that scenes and the window manager carry."""
    from .properties import scene

    scene.register()


def unregister() -> None:
    """Let go of the runtime, the timer, the handlers, the pictures and the properties."""
    from . import commands
    from .properties import scene

    commands.close()
    scene.unregister()
