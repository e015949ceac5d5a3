"""The one place that knows how the Sequencer's Python differs from Blender 4.2 to 5.2.

* the collection: ``sequences`` up to 4.3, both names in 4.4 and 4.5, ``strips`` alone from 5.0 on;
* the times: ``frame_final_*`` up to 4.x, ``left_handle``, ``right_handle`` and ``duration`` in 5.2, where the old names
  warn;
* the scene: the window's up to 4.x, the workspace's ``sequencer_scene`` from 5.0 on, which is None in background and in
  new files.

Only the data interface is used: the operators want an area, and crash in 5.2's background mode.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ...clients.core.errors import StorageError


def scene_of(context: bpy.types.Context) -> bpy.types.Scene:
    """Return the scene whose strips the user sees, else the window's scene."""
    scenes: list[Any] = [getattr(context.workspace, "sequencer_scene", None), context.scene]
    chosen: bpy.types.Scene = scenes[0] or scenes[1]
    return chosen


def show_scene(context: bpy.types.Context, scene: bpy.types.Scene) -> None:
    """Have the workspace's Sequencer show a scene, if it shows none yet (5.0 and newer)."""
    workspace = context.workspace
    if workspace is not None and hasattr(workspace, "sequencer_scene") and workspace.sequencer_scene is None:
        workspace.sequencer_scene = scene


def editor_of(scene: bpy.types.Scene) -> Any:
    """Return the scene's sequence editor, made if it has none."""
    return scene.sequence_editor or scene.sequence_editor_create()


def strips_of(scene: bpy.types.Scene) -> Any:
    """Return the scene's top-level strips, an empty tuple if it has no sequence editor."""
    editor = scene.sequence_editor
    return () if editor is None else _collection(editor)


def strips_within(meta: Any) -> Any:
    """Return the strips of a meta strip."""
    return _collection(meta)


def _collection(editor: Any) -> Any:
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def bounds(strip: Any) -> tuple[int, int]:
    """Return the first frame of a strip and the one after its last."""
    if hasattr(strip, "left_handle"):
        return int(strip.left_handle), int(strip.right_handle)
    return int(strip.frame_final_start), int(strip.frame_final_end)


def content_start(strip: Any) -> int:
    """Return the frame at which a strip's file begins, which may be cut off."""
    return round(strip.content_start if hasattr(strip, "content_start") else strip.frame_start)


def move(strip: Any, start: int, channel: int) -> None:
    """Have a strip's file begin at frame ``start`` on a channel."""
    strip.channel = channel
    setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", start)
    strip.channel = channel  # a place that was taken on the way has put it elsewhere


def set_length(strip: Any, frames: int) -> None:
    """Have a strip end ``frames`` after its start."""
    if hasattr(strip, "right_handle"):
        strip.right_handle = int(strip.left_handle) + frames
    else:
        strip.frame_final_duration = frames


def locked_channels(scene: bpy.types.Scene) -> set[int]:
    """Return the numbers of the channels that the user has locked."""
    editor = scene.sequence_editor
    if editor is None:
        return set()
    return {number for number, channel in enumerate(editor.channels) if channel.lock}


def add_image(scene: bpy.types.Scene, name: str, path: Path, start: int, frames: int, fit: str, channel: int) -> Any:
    """Put a still into the scene's Sequencer from frame ``start`` on, and return its strip."""
    strip = _collection(editor_of(scene)).new_image(
        name=name, filepath=str(path), channel=channel, frame_start=start, fit_method=fit
    )
    set_length(strip, frames)
    return strip


def add_colour(
    scene: bpy.types.Scene, name: str, start: int, frames: int, colour: tuple[float, float, float], channel: int
) -> Any:
    """Put a strip of one colour into the scene's Sequencer and return it."""
    strip = _collection(editor_of(scene)).new_effect(
        name=name, type="COLOR", channel=channel, frame_start=start, **_effect_span(start, frames)
    )
    strip.color = colour
    return strip


def _effect_span(start: int, frames: int) -> dict[str, int]:
    return {"length": frames} if bpy.app.version >= (5, 0, 0) else {"frame_end": start + frames}


def add_movie(scene: bpy.types.Scene, name: str, path: Path, start: int, fit: str, channel: int) -> Any:
    """Put a clip into the scene's Sequencer from frame ``start`` on, and return its strip.

    One frame of the clip is one of the film, whatever their rates; a file that can't be read has a rate of 0.
    """
    return _collection(editor_of(scene)).new_movie(
        name=name, filepath=str(path), channel=channel, frame_start=start, fit_method=fit
    )


def add_sound(scene: bpy.types.Scene, name: str, path: Path, start: int, channel: int) -> Any:
    """Put a sound into the scene's Sequencer from frame ``start`` on, and return its strip, which is not cut.

    Raises ``StorageError`` (code ``no_audio``) if this Blender was built without sound.
    """
    try:
        return _collection(editor_of(scene)).new_sound(
            name=name, filepath=str(path), channel=channel, frame_start=start
        )
    except RuntimeError as error:
        raise StorageError(
            "This Blender was built without sound.",
            code="no_audio",
            hint=f"The file is kept: {path}. Open the film in another build of Blender to place it.",
        ) from error


def retime(scene: bpy.types.Scene, strip: Any, frames: int, effect_channel: int) -> None:
    """Have a clip take ``frames`` from beginning to end, at an even speed.

    A speed effect on ``effect_channel`` does it: a strip's own retiming keys are no way in any version. Python can't
    reach them before 5.0 without crashes, and in 5.2 ``retiming_keys.add`` acts on the first strip of the film,
    whichever strip it is called on, and ends Blender if that is no clip.
    """
    start, end = bounds(strip)
    factor = (end - start) / frames
    set_length(strip, frames)
    collection = _collection(editor_of(scene))
    parameters = collection.bl_rna.functions["new_effect"].parameters
    source = {"input1" if "input1" in parameters else "seq1": strip}
    effect = collection.new_effect(
        name=f"Speed of {strip.name}",
        type="SPEED",
        channel=effect_channel,
        frame_start=start,
        **_effect_span(start, frames),
        **source,
    )
    effect.speed_control = "MULTIPLY"
    effect.speed_factor = factor


def selected(scene: bpy.types.Scene) -> list[Any]:
    """Return the selected strips in their order in the film; the active one first, if it is among them."""
    editor = scene.sequence_editor
    active = editor.active_strip if editor is not None else None
    chosen = [strip for strip in strips_of(scene) if strip.select]
    return sorted(chosen, key=lambda strip: (strip != active, bounds(strip)[0]))


def extend_film(scene: bpy.types.Scene, end: int) -> None:
    """Have the film last until ``end``, the frame after its last, if it is shorter."""
    scene.frame_end = max(scene.frame_end, end - 1)


def remove(scene: bpy.types.Scene, strip: Any) -> None:
    """Take a strip out of the scene's Sequencer."""
    _collection(editor_of(scene)).remove(strip)


def rate(scene: bpy.types.Scene) -> float:
    """Return the scene's frames per second."""
    return float(scene.render.fps / scene.render.fps_base)


def strip_frames(scene: bpy.types.Scene, seconds: float) -> int:
    """Return how many frames of the scene's rate a time span has, 1 at least."""
    return max(1, round(seconds * rate(scene)))
