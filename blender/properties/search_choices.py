"""Choices that depend on something: the models and voices that a server has, where a field's file may come from.

Callbacks of properties, so as in ``keys`` there is no ``bpy`` among this module's globals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Search = Callable[[Any, Any, str], list[str]]

# Held here: Blender does not keep the texts of choices that a callback returns.
_NOTHING = ("NONE", "Nothing", "It is left out", "X", 0)
_FILE = ("FILE", "File", "A file on this computer", "FILE", 1)
_STRIP = ("STRIP", "Strip", "The file of the selected strip", "SEQUENCE", 2)
_SHOWN = ("STRIP", "Strip", "What the Sequencer shows at the playhead", "SEQUENCE", 2)
_IMAGE = ("IMAGE", "Image", "One of the film's images", "IMAGE_DATA", 3)
_CAMERA = ("CAMERA", "Camera", "What the scene's camera sees now", "CAMERA_DATA", 4)
_FOR_PICTURES = (_NOTHING, _FILE, _SHOWN, _IMAGE, _CAMERA)
_FOR_OTHERS = (_NOTHING, _FILE, _STRIP)


def models(backend: str) -> Search:
    """Return the ``search`` of a field that names one of a backend's models.

    The server is asked in the background when the field is first edited, so the first letters may find nothing yet.
    """

    def search(_owner: Any, _context: Any, typed: str) -> list[str]:
        from .. import commands

        return [name for name in commands.models(backend) if typed.lower() in name.lower()]

    return search


def file_sources(field: Any, _context: Any) -> tuple[tuple[str, str, str, str, int], ...]:
    """Return where the file of a field may come from, by the kind of file that it takes."""
    return _FOR_PICTURES if field.media == "image" else _FOR_OTHERS
