"""Pictures on their way into the film: an image datablock, and a strip at the frame where the playhead was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..clients.errors import StorageError
from . import sequencer, shots
from .provenance import METADATA_KEY, film_path, metadata

if TYPE_CHECKING:
    from ..clients.jobs import Artifact
    from .board import Placement


def place(placement: Placement, scene: bpy.types.Scene, frame: int) -> str:
    """Load a result's pictures, and put them into the Sequencer if that was wished; say what was done.

    Raises ``StorageError`` if there is none, if one can't be read, or if the Sequencer is full.
    """
    pictures = [artifact for artifact in placement.result.artifacts if artifact.kind == "image"]
    if not pictures:
        raise StorageError("The result has no picture.", code="no_picture", hint="Its files are in the output folder.")
    for artifact in pictures:
        image = load_image(artifact, placement)
        if placement.wish.as_strip:
            _add_strip(scene, artifact, placement.wish.title or image.name, frame, placement)
    count = len(pictures)
    return f"{count} placed in '{scene.name}'" if count > 1 else f"Placed in '{scene.name}'"


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
    image.colorspace_settings.name = "sRGB"
    image.filepath = film_path(artifact.path)
    # without a user of its own the datablock would be gone after the next save and load
    image.use_fake_user = True
    image[METADATA_KEY] = metadata(placement)
    return image


def _add_strip(scene: bpy.types.Scene, artifact: Artifact, name: str, frame: int, placement: Placement) -> Any:
    wish = placement.wish
    spot = shots.claim(scene, wish.shot, shots.Spot(frame, wish.length))
    strip = sequencer.add_image(scene, name, artifact.path, spot.start, spot.length, wish.fit, spot.channel)
    strip.directory = film_path(artifact.path.parent, folder=True)
    strip[METADATA_KEY] = metadata(placement)
    if spot.shot is not None:
        shots.mark(strip, spot.shot)
    return strip
