"""Suggestions for text fields: the models and voices that a server has.

Callbacks of properties, so as in ``keys`` there is no ``bpy`` among this module's globals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Search = Callable[[Any, Any, str], list[str]]


def models(backend: str) -> Search:
    """Return the ``search`` of a field that names one of a backend's models.

    The server is asked in the background when the field is first edited, so the first letters may find nothing yet.
    """

    def search(_owner: Any, _context: Any, typed: str) -> list[str]:
        from .. import commands

        return [name for name in commands.models(backend) if typed.lower() in name.lower()]

    return search
