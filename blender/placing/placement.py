"""Placing results: find the scene that asked, wait for a good moment, call the module of the result's kind.

The files are on disk before anything here runs, so nothing is lost when a scene is gone or the Sequencer is full: the
result is then offered to the user.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import bpy

from ...clients.core.errors import BackendError
from ..state.ui_state import Placement, PlacementState

if TYPE_CHECKING:
    from ..state.placement_request import PlacementTarget

_log = logging.getLogger(__name__)

KINDS = {
    "image": "common",
    "video": "common",
    "sound": "common",
    "voice": "voice",
    "any": "any_result",
    "text": "live_text",
    "shots": "shot_list",
}
"""The module that places each kind of result; imported when first needed."""


def obstacle() -> str:
    """Return why nothing may be put into the film right now, "" if nothing is in the way."""
    if bpy.app.is_job_running("RENDER") or bpy.app.is_job_running("OBJECT_BAKE"):
        return "Placed when the render is done"
    if any(window.screen.is_animation_playing for window in _windows()):
        return "Placed when playback stops"
    return ""


def _windows() -> list[bpy.types.Window]:
    return [window for manager in bpy.data.window_managers for window in manager.windows]


def home_scene(target: PlacementTarget) -> bpy.types.Scene | None:
    """Return the scene that asked, None if it is gone.

    In the same run of Blender it is known by its session id, whatever it is called now; after the file was loaded
    again, by its name in that file.
    """
    if target.of_this_process:
        for scene in bpy.data.scenes:
            if scene.session_uid == target.scene_uid:
                return scene
    if target.blend_file and target.blend_file == bpy.data.filepath:
        return bpy.data.scenes.get(target.scene)
    return None


def settle(placement: Placement) -> None:
    """Place a result at its target, or set the placement's message to the reason; never raises."""
    try:
        scene = home_scene(placement.target)
    except Exception as error:  # noqa: BLE001 - see place_in
        _log.exception("The scene of a result could not be looked up")
        placement.state, placement.message = PlacementState.FAILED, f"Blender could not place the result: {error}"
        return
    if scene is None:
        placement.state = PlacementState.OFFERED
        placement.message = f"The scene '{placement.target.scene}' that it was made for is not in this file."
        return
    place_in(placement, scene, placement.target.frame)


def place_in(placement: Placement, scene: bpy.types.Scene, frame: int) -> None:
    """Put a result into a scene at a frame; a failure is noted on the placement, whose files stay on disk."""
    try:
        words = _place(placement, scene, frame)
    except BackendError as error:
        placement.state, placement.message = PlacementState.FAILED, f"{error.message} {error.hint}"
        return
    except Exception as error:  # noqa: BLE001 - Blender's errors are of many kinds; the pump must go on for other jobs
        _log.exception("A result could not be placed")
        placement.state, placement.message = PlacementState.FAILED, f"Blender could not place the result: {error}"
        return
    placement.state, placement.message = PlacementState.PLACED, words
    push_undo("Movie Director: place result")


def _place(placement: Placement, scene: bpy.types.Scene, frame: int) -> str:
    module = importlib.import_module(f".{KINDS[placement.target.kind]}", __package__)
    place: Callable[[Placement, bpy.types.Scene, int], str] = module.place
    return place(placement, scene, frame)


def push_undo(message: str) -> None:
    """Push an undo step for the last change; without a window Blender has no undo."""
    windows = _windows()
    if bpy.app.background or not windows:
        return
    with bpy.context.temp_override(window=windows[0]):
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=message)
