"""Sounds on their way into the film: a strip that begins on the frame it was asked for, its waveform shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import StorageError
from ..platform import sequencer
from .plan import MAX_FRAMES, choose_channel
from .provenance import METADATA_KEY, film_path, metadata
from .timeline import SceneTimeline

if TYPE_CHECKING:
    from ...clients.core.model import Artifact
    from ..state.ui_state import Placement


def add(placement: Placement, scene: bpy.types.Scene, frame: int, artifact: Artifact) -> str:
    """Put a sound into the Sequencer, cut to the target's length (0: whole); return a note for the user, or "".

    ``StorageError``: ``no_audio`` in a Blender without sound, ``no_sound`` if there is none in the file.
    """
    add_strip(placement, scene, artifact, frame, placement.target.length)
    return ""


def add_strip(
    placement: Placement, scene: bpy.types.Scene, artifact: Artifact, start: int, frames: int, channel: int = 0
) -> Any:
    """Put a file's sound into the Sequencer from frame ``start`` on, ``frames`` long at most, and return its strip."""
    free = choose_channel(SceneTimeline(scene), start, start + (frames or MAX_FRAMES), channel)
    strip = sequencer.add_sound(scene, placement.target.title or artifact.path.stem, artifact.path, start, free)
    sound = strip.sound
    if not sound.samplerate:
        sequencer.remove(scene, strip)
        if not sound.users:
            bpy.data.sounds.remove(sound)
        raise StorageError(
            f"There is no sound in {artifact.path.name}.", code="no_sound", hint="Play the file to see what it is."
        )
    first, end = sequencer.bounds(strip)
    if frames and frames < end - first:
        sequencer.set_length(strip, frames)
    sound.filepath = film_path(artifact.path)
    strip.show_waveform = True
    sequencer.extend_film(scene, sequencer.bounds(strip)[1])
    strip[METADATA_KEY] = metadata(placement)
    return strip
