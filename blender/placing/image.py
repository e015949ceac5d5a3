"""Pictures on their way into the film: an image datablock, and a strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ...clients.core.errors import StorageError
from ..platform import sequencer
from . import shots
from .plan import choose_channel, plan_strip
from .provenance import METADATA_KEY, film_path, metadata
from .timeline import SceneTimeline

if TYPE_CHECKING:
    from ...clients.core.model import Artifact
    from ..state.ui_state import Placement


def add(placement: Placement, scene: bpy.types.Scene, frame: int, artifact: Artifact) -> str:
    """Load a picture, and put it into the Sequencer if the target asks for it; return a note for the user, or ""."""
    target = placement.target
    image = load_image(artifact, placement)
    if not target.as_strip:
        return ""
    timeline = SceneTimeline(scene)
    plan = plan_strip(timeline, target.shot, frame, target.length)
    replaced = [] if plan.replaces is None else [plan.replaces]
    channel = choose_channel(timeline, plan.start, plan.start + plan.length, plan.channel, ignored=replaced)
    name = target.title or image.name
    strip = sequencer.add_image(scene, name, artifact.path, plan.start, 1, target.fit, channel)
    # not before the picture is there, or a failure would lose the shot; Blender parts two strips in one place
    for placeholder in replaced:
        sequencer.remove(scene, placeholder)
        sequencer.move(strip, plan.start, channel)
    sequencer.set_length(strip, plan.length)
    strip.directory = film_path(artifact.path.parent, folder=True)
    strip[METADATA_KEY] = metadata(placement)
    shots.mark(strip, plan.shot)
    sequencer.extend_film(scene, sequencer.bounds(strip)[1])
    return ""


def load_image(artifact: Artifact, placement: Placement) -> bpy.types.Image:
    """Return the image datablock of a picture; a picture that is loaded already gets no second one."""
    path = str(artifact.path)
    try:
        image = bpy.data.images.load(path, check_existing=True)
    except RuntimeError as error:
        raise StorageError(
            f"The picture can't be read: {artifact.path.name}.",
            code="unreadable",
            hint=f"Is it still in {artifact.path.parent}?",
        ) from error
    image.filepath = film_path(artifact.path)
    # without a user of its own the datablock would be gone after the next save and load
    image.use_fake_user = True
    image[METADATA_KEY] = metadata(placement)
    return image
