"""Movie Director: local generative AI for film makers, inside Blender.

This module only switches the extension on and off. It can be imported without Blender, so that
``movie_director.clients`` works in plain Python; everything that needs ``bpy`` is imported by ``register()``.
"""

from __future__ import annotations

import atexit
import importlib
from types import ModuleType

_LAYERS = ("blender", "preferences", "operators", "cli", "ui")
_registered: list[str] = []


def register() -> None:
    """Add the extension's classes and properties to Blender; opens no socket and starts no thread."""
    # Blender must not be left at exit with our classes still in it: some versions crash or hang then.
    atexit.register(unregister)
    try:
        for layer in _LAYERS:
            _registered.append(layer)
            _module(layer).register()
    except BaseException:
        unregister()
        raise


def unregister() -> None:
    """Take out all that ``register()`` and the work since then have added; harmless when there is nothing."""
    atexit.unregister(unregister)
    while _registered:
        _module(_registered.pop()).unregister()


def _module(layer: str) -> ModuleType:
    return importlib.import_module(f".{layer}", __package__)
