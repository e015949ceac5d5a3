"""Clips on their way into the film: a movie strip at the film's own speed, and its sound beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clients.core.errors import StorageError
from ..platform import sequencer
from . import shots, sound
from .plan import MAX_FRAMES, choose_channel, free_channel, plan_strip
from .provenance import METADATA_KEY, film_path, metadata
from .timeline import SceneTimeline

if TYPE_CHECKING:
    import bpy

    from ...clients.core.model import Artifact
    from ..state.ui_state import Placement


def add(placement: Placement, scene: bpy.types.Scene, frame: int, artifact: Artifact) -> str:
    """Put a clip and its sound into the Sequencer; return a note for the user, or "".

    A clip of another rate than the film's is played at its own speed. In the place of a shot it is cut to the shot's
    length. ``StorageError`` if it can't be read or there is no room.
    """
    target = placement.target
    timeline = SceneTimeline(scene)
    plan = plan_strip(timeline, target.shot, frame, 0)
    # The clip's length shows only when it is in the Sequencer, so it begins where there is room for any length.
    channel = free_channel(timeline, plan.start, plan.start + MAX_FRAMES)
    name = target.title or artifact.path.stem
    strip = sequencer.add_movie(scene, name, artifact.path, plan.start, target.fit, channel)
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
        sequencer.retime(scene, strip, frames, free_channel(timeline, start, start + frames))
    if plan.length and plan.length < frames:
        frames = plan.length
        sequencer.set_length(strip, frames)
    if plan.replaces is not None:
        sequencer.remove(scene, plan.replaces)
    strip.channel = choose_channel(timeline, *sequencer.bounds(strip), plan.channel, ignored=[strip])
    strip.filepath = film_path(artifact.path)
    strip[METADATA_KEY] = metadata(placement)
    shots.mark(strip, plan.shot)
    sequencer.extend_film(scene, sequencer.bounds(strip)[1])
    return _add_sound(placement, scene, artifact, strip, frames)


def _add_sound(placement: Placement, scene: bpy.types.Scene, artifact: Artifact, movie: Any, frames: int) -> str:
    start = sequencer.bounds(movie)[0]
    try:
        sound.add_strip(placement, scene, artifact, start, frames, channel=int(movie.channel) + 1)
    except StorageError as error:
        # a silent clip is none the worse for it
        return "" if error.code == "no_sound" else f"Its sound is not in the film: {error.message}"
    return ""
