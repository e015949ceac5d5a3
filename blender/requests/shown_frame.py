"""The frame that the Sequencer shows: whether there is one, and the picture file if it is an untouched still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ..platform import sequencer

_STRAIGHT = {
    "offset_x": 0.0,
    "offset_y": 0.0,
    "rotation": 0.0,
}
_PLAIN = {
    "use_flip_x": False,
    "use_flip_y": False,
    "use_reverse_frames": False,
    "color_multiply": 1.0,
    "color_saturation": 1.0,
    "blend_alpha": 1.0,
    "use_deinterlace": False,
}


def visible_strips(scene: bpy.types.Scene, frame: int) -> list[Any]:
    """Return the strips that show something at a frame: neither muted, nor on a muted channel, nor sounds."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(_visible(sequencer.strips_of(scene), editor.channels, frame))


def _visible(strips: Any, channels: Any, frame: int) -> Iterator[Any]:
    for strip in strips:
        start, end = sequencer.bounds(strip)
        hidden = strip.mute or channels[strip.channel].mute or strip.type == "SOUND"
        if hidden or not start <= frame < end:
            continue
        if strip.type != "META" or any(_visible(sequencer.strips_within(strip), strip.channels, frame)):
            yield strip


def still_file(scene: bpy.types.Scene, frame: int) -> Path | None:
    """Return the file of the still that alone fills the frame, unchanged; None if anything else is shown."""
    shown = visible_strips(scene, frame)
    if len(shown) != 1 or shown[0].type != "IMAGE" or not _is_untouched(shown[0]) or not _fills(scene, shown[0]):
        return None
    strip = shown[0]
    element = strip.strip_elem_from_frame(frame)
    if element is None:
        return None
    path = Path(bpy.path.abspath(strip.directory)) / element.filename
    return path if path.is_file() else None


def _is_untouched(strip: Any) -> bool:
    crop = strip.crop
    return (
        not len(strip.modifiers)
        and not any((crop.min_x, crop.max_x, crop.min_y, crop.max_y))
        and _equal(strip.transform, _STRAIGHT)
        and _equal(strip, _PLAIN)
        and strip.blend_type in ("REPLACE", "ALPHA_OVER", "CROSS")
    )


def _equal(owner: Any, values: dict[str, Any]) -> bool:
    return all(abs(getattr(owner, name, value) - value) < 1e-6 for name, value in values.items())


def _fills(scene: bpy.types.Scene, strip: Any) -> bool:
    """Return True if the picture covers the frame exactly, so that neither bars nor cut edges are shown."""
    element = strip.elements[0]
    width, height = scene.render.resolution_x, scene.render.resolution_y
    shown = (element.orig_width * strip.transform.scale_x, element.orig_height * strip.transform.scale_y)
    return abs(shown[0] - width) < 1.0 and abs(shown[1] - height) < 1.0
