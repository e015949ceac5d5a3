"""Pictures on their way into the film: an image datablock, and a strip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ...clients.core.errors import StorageError
from ..platform import sequencer
from . import shots
from .provenance import METADATA_KEY, film_path, metadata

if TYPE_CHECKING:
    from ...clients.core.model import Artifact
    from ..state.ui_state import Placement


def add(placement: Placement, scene: bpy.types.Scene, frame: int, artifact: Artifact) -> str:
    """Load a picture, and put it into the Sequencer if that was wished; return what there is to say."""
    target = placement.target
    image = load_image(artifact, placement)
    if not target.as_strip:
        return ""
    spot = shots.spot(scene, target.shot, shots.StripSlot(frame, target.length))
    shots.vacate(scene, target.shot)
    name = target.title or image.name
    strip = sequencer.add_image(scene, name, artifact.path, spot.start, spot.length, target.fit, spot.channel)
    strip.directory = film_path(artifact.path.parent, folder=True)
    strip[METADATA_KEY] = metadata(placement)
    shots.mark(strip, spot.shot)
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
    image.colorspace_settings.name = "sRGB"
    image.filepath = film_path(artifact.path)
    # without a user of its own the datablock would be gone after the next save and load
    image.use_fake_user = True
    image[METADATA_KEY] = metadata(placement)
    return image
