"""A new voice: it is added to the panel's list of voices; nothing is placed in the film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..state.ui_state import ui

if TYPE_CHECKING:
    import bpy

    from ..state.ui_state import Placement


def place(placement: Placement, scene: bpy.types.Scene, _frame: int) -> str:
    """Choose the new voice where none is chosen yet, and have the server's list asked for again."""
    asking: Any = scene
    own = asking.movie_director.voice
    name = placement.result.data["voice"]  # Applio calls it otherwise than it was asked to
    if not own.voice:
        own.voice = name
    ui.probes.pop(placement.backend, None)
    return f"The voice '{name}' can be used now"
