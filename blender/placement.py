"""A result's way into the film: an image datablock, and a strip at the frame where the playhead was.

The files are on disk before anything here runs, so nothing is lost when a scene is gone or the Sequencer is full: the
result is then offered to the user.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..clients.errors import BackendError, StorageError
from . import sequencer
from .board import Placement, PlacementState

if TYPE_CHECKING:
    from ..clients.jobs import Artifact
    from .wish import Wish

_log = logging.getLogger(__name__)

METADATA_KEY = "movie_director"


def obstacle() -> str:
    """Return why nothing may be put into the film right now, "" if nothing is in the way."""
    if bpy.app.is_job_running("RENDER") or bpy.app.is_job_running("OBJECT_BAKE"):
        return "Placed when the render is done"
    if any(window.screen.is_animation_playing for window in _windows()):
        return "Placed when playback stops"
    return ""


def _windows() -> list[bpy.types.Window]:
    return [window for manager in bpy.data.window_managers for window in manager.windows]


def home_scene(wish: Wish) -> bpy.types.Scene | None:
    """Return the scene that asked, None if it is gone.

    In the same run of Blender it is known by its session id, whatever it is called now; after the file was loaded
    again, by its name in that file.
    """
    if wish.of_this_process:
        for scene in bpy.data.scenes:
            if scene.session_uid == wish.scene_uid:
                return scene
    if wish.blend_file and wish.blend_file == bpy.data.filepath:
        return bpy.data.scenes.get(wish.scene)
    return None


def settle(placement: Placement) -> None:
    """Put a result where it was wanted, or say on the placement why not; never raises."""
    try:
        scene = home_scene(placement.wish)
    except Exception as error:  # noqa: BLE001 - see place_in
        _log.exception("The scene of a result could not be looked up")
        placement.state, placement.message = PlacementState.FAILED, f"Blender could not take the result: {error}"
        return
    if scene is None:
        placement.state = PlacementState.OFFERED
        placement.message = f"The scene '{placement.wish.scene}' that asked for it is not in this file."
        return
    place_in(placement, scene, placement.wish.frame)


def place_in(placement: Placement, scene: bpy.types.Scene, frame: int) -> None:
    """Put a result into a scene at a frame; a failure is noted on the placement, whose files stay on disk."""
    try:
        count = _place(placement, scene, frame)
    except BackendError as error:
        placement.state, placement.message = PlacementState.FAILED, f"{error.message} {error.hint}"
        return
    except Exception as error:  # noqa: BLE001 - Blender's errors are of many kinds; the pump must go on for other jobs
        _log.exception("A result could not be placed")
        placement.state, placement.message = PlacementState.FAILED, f"Blender could not take the result: {error}"
        return
    placement.state = PlacementState.PLACED
    placement.message = f"{count} placed in '{scene.name}'" if count > 1 else f"Placed in '{scene.name}'"
    push_undo("Movie Director: place result")


def _place(placement: Placement, scene: bpy.types.Scene, frame: int) -> int:
    pictures = [artifact for artifact in placement.result.artifacts if artifact.kind == "image"]
    if not pictures:
        raise StorageError("The result has no picture.", code="no_picture", hint="Its files are in the output folder.")
    for artifact in pictures:
        image = load_image(artifact, placement)
        if placement.wish.as_strip:
            _add_strip(scene, artifact, placement.wish.title or image.name, frame, placement)
    return len(pictures)


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
    strip = sequencer.add_image(scene, name, artifact.path, frame, placement.wish.length, placement.wish.fit)
    strip.directory = film_path(artifact.path.parent, folder=True)
    strip[METADATA_KEY] = metadata(placement)
    return strip


def film_path(path: Path, *, folder: bool = False) -> str:
    """Return a path as the film should keep it: relative to the .blend if the user likes that and it is possible."""
    text = f"{path}/" if folder else str(path)
    if bpy.data.filepath and bpy.context.preferences.filepaths.use_relative_paths:
        with contextlib.suppress(ValueError):  # another drive
            return bpy.path.relpath(text)
    return text


def metadata(placement: Placement) -> dict[str, str]:
    """Return what the film keeps about a result: enough to find its sidecar and make it again; never a key."""
    seed = placement.result.metadata.get("seed")
    return {
        "prompt": placement.wish.prompt,
        "seed": "" if seed is None else str(seed),
        "backend": placement.backend,
        "job": placement.job_id,
    }


def push_undo(message: str) -> None:
    """Let the user undo what was just done; where Blender has no window there is nothing to undo."""
    windows = _windows()
    if bpy.app.background or not windows:
        return
    with bpy.context.temp_override(window=windows[0]):
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=message)
