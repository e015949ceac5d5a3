"""Clips on their way into the film: a movie strip at the film's own speed, and its sound beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clients.core.errors import StorageError
from ..platform import sequencer
from . import shots, sound
from .provenance import METADATA_KEY, film_path, metadata

if TYPE_CHECKING:
    import bpy

    from ...clients.core.model import Artifact
    from ..state.ui_state import Placement


def add(placement: Placement, scene: bpy.types.Scene, frame: int, artifact: Artifact) -> str:
    """Put a clip and its sound into the Sequencer; return what there is to say beside that.

    A clip of another rate than the film's is played at its own speed. In the place of a shot it is cut to the shot's
    length. ``StorageError`` if it can't be read or there is no room.
    """
    target = placement.target
    spot = shots.spot(scene, target.shot, shots.StripSlot(frame, 0))
    strip = sequencer.add_movie(scene, target.title or artifact.path.stem, artifact.path, spot.start, target.fit)
    if not strip.fps:
        sequencer.remove(scene, strip)
        raise StorageError(
            f"The clip can't be read: {artifact.path.name}.",
            code="unreadable",
            hint=f"Is it still in {artifact.path.parent}?",
        )
    start, end = sequencer.bounds(strip)
    frames = max(1, round((end - start) / strip.fps * sequencer.rate(scene)))
    if frames != end - start:
        sequencer.retime(scene, strip, frames)
    if spot.length and spot.length < frames:
        frames = spot.length
        sequencer.set_length(strip, frames)
    shots.vacate(scene, target.shot)
    sequencer.settle_channel(scene, strip, spot.channel)
    strip.filepath = film_path(artifact.path)
    strip[METADATA_KEY] = metadata(placement)
    shots.mark(strip, spot.shot)
    return _add_sound(placement, scene, artifact, strip, frames)


def _add_sound(placement: Placement, scene: bpy.types.Scene, artifact: Artifact, movie: Any, frames: int) -> str:
    start = sequencer.bounds(movie)[0]
    try:
        sound.add_strip(placement, scene, artifact, start, frames, channel=int(movie.channel) + 1)
    except StorageError as error:
        # a silent clip is none the worse for it
        return "" if error.code == "no_sound" else f"Its sound is not in the film: {error.message}"
    return ""
