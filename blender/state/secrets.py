"""API keys and extra headers: held in memory, and in the preferences file only if the user chooses so.

The callbacks are in a module of their own, without ``bpy`` among its globals: Blender never lets go of a property's
callbacks, and through their globals they would keep the ``bpy`` module alive, which makes Blender 4.2 as a Python
module crash at exit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FIELDS = ("api_key", "headers", "speech_key")

_typed: dict[tuple[str, str], str] = {}


def getter(field: str) -> Callable[[Any], str]:
    """Return the ``get`` of a backend row's secret field: the value typed in this session, else the saved one."""

    def get(row: Any) -> str:
        text: str = _typed.get((row.backend_name, field), getattr(row, saved_name(field)))
        return text

    return get


def setter(field: str) -> Callable[[Any, str], None]:
    """Return the ``set`` of a backend row's secret field."""

    def put(row: Any, text: str) -> None:
        from .settings import preferences

        _typed[row.backend_name, field] = text
        setattr(row, saved_name(field), text if preferences().remember_keys else "")

    return put


def saved_name(field: str) -> str:
    """Return the name of the property that is saved for a secret field."""
    return f"saved_{field}"


def remember_changed(preferences: Any, _context: Any) -> None:
    """Save or drop all secrets, by the state of the switch."""
    from ...clients.registry import BACKENDS

    for name in BACKENDS:
        row = getattr(preferences.backends, name)
        for field in (each for each in FIELDS if hasattr(row, each)):
            setattr(row, field, getattr(row, field))


def forget(backend: str | None = None) -> None:
    """Forget the secrets typed in this session for a backend; None: for all."""
    for key in [key for key in _typed if backend in (None, key[0])]:
        del _typed[key]
