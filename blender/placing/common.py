"""Pictures, clips and sounds on their way into the film, whatever backend made them: each kind by its own module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clients.core.errors import StorageError
from . import image, movie, sound

if TYPE_CHECKING:
    import bpy

    from ..state.ui_state import Placement

ADD = {"image": image.add, "video": movie.add, "audio": sound.add}


def place(placement: Placement, scene: bpy.types.Scene, frame: int) -> str:
    """Put a result's files into the film; return a report for the user.

    Raises ``StorageError`` if there is nothing to show, if a file can't be read, or if the Sequencer is full.
    """
    shown = [artifact for artifact in placement.result.artifacts if artifact.kind in ADD]
    if not shown:
        raise StorageError(
            "The result has no picture, clip or sound.", code="no_picture", hint="Its files are in the output folder."
        )
    notes = [ADD[artifact.kind](placement, scene, frame, artifact) for artifact in shown]
    placed = f"{len(shown)} placed in '{scene.name}'" if len(shown) > 1 else f"Placed in '{scene.name}'"
    return ". ".join([placed, *dict.fromkeys(note for note in notes if note)])
