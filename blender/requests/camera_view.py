"""What the camera sees now, or the Sequencer shows, as a picture file for a backend to start from.

Rendering is Blender's own work on the main thread, so it is announced, and done by Workbench, which needs a second or
two. Every setting that is touched is put back, also after an error.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ...clients.core.errors import StorageError, ValidationError
from ...clients.files.storage_errors import prepare_folder
from . import shown_frame

MULTIPLE = 8
MIN_SIDE = 64
SLOT_NAME = "Movie Director"
PLAIN_TRANSFORMS = ("Standard", "Un-tone-mapped", "Raw")
"""View transforms that leave a picture's colours as they are: Blender's own, and those of ACES configurations."""


def picture_size(scene: bpy.types.Scene, limit: int) -> tuple[int, int]:
    """Return width and height of the scene's pictures: multiples of 8 pixels, the longer side ``limit`` at most."""
    settings = scene.render
    width = settings.resolution_x * settings.resolution_percentage / 100
    height = settings.resolution_y * settings.resolution_percentage / 100
    scale = min(1.0, limit / max(width, height))
    return _snap(width * scale), _snap(height * scale)


def _snap(side: float) -> int:
    return max(MIN_SIDE, round(side / MULTIPLE) * MULTIPLE)


def check_camera(scene: bpy.types.Scene) -> None:
    """Raise ``ValidationError`` with code ``no_camera`` if there is nothing to look through."""
    if scene.camera is None or scene.camera.type != "CAMERA":
        raise ValidationError(
            f"The scene '{scene.name}' has no camera to look through.",
            code="no_camera",
            hint="Add a camera and make it the active one (Ctrl+Numpad 0), or start from the prompt alone.",
        )


def check_strips(scene: bpy.types.Scene) -> None:
    """Raise ``ValidationError`` with code ``no_strip`` if the Sequencer shows nothing at the current frame."""
    frame = scene.frame_current
    if not shown_frame.visible_strips(scene, frame):
        raise ValidationError(
            f"The Sequencer of '{scene.name}' shows no strip at frame {frame}.",
            code="no_strip",
            hint="Move the playhead over a picture or a clip that is not muted, or start from the prompt alone.",
        )


def render(
    scene: bpy.types.Scene, folder: Path, size: tuple[int, int], *, strips: bool = False, frame: int | None = None
) -> Path:
    """Render the camera's view to a new PNG in ``folder`` and return its path; with ``strips`` what the Sequencer shows
    instead. ``frame`` None is the current one.

    Raises ``ValidationError`` (``no_camera``, ``no_strip``, ``rendering``) or ``StorageError`` (``no_permission``,
    ``render_failed``).
    """
    if frame is not None and frame != scene.frame_current:
        with _at_frame(scene, frame):
            return render(scene, folder, size, strips=strips)
    if strips:
        check_strips(scene)
        still = shown_frame.still_file(scene, scene.frame_current)
        if still is not None:
            return still
    else:
        check_camera(scene)
    if bpy.app.is_job_running("RENDER"):
        raise ValidationError(
            "Blender is rendering.", code="rendering", hint="Generate from the camera again when the render is done."
        )
    path = _new_path(folder, scene, "strips" if strips else "camera")
    # The Sequencer places pictures by the film's pixels: a smaller frame would show their middle only.
    rendered_size = (scene.render.resolution_x, scene.render.resolution_y) if strips else size
    with _announced(scene), _restored(scene), _own_render_slot():
        _set_up(scene, path, rendered_size, strips=strips)
        try:
            bpy.ops.render.render(write_still=True, scene=scene.name)
        except RuntimeError as error:
            raise StorageError(
                f"Blender could not render the start image: {_first_line(error)}",
                code="render_failed",
                hint="Does Render > Render Image work?",
            ) from error
    if not path.is_file():
        raise StorageError(
            f"The start image could not be written to {path.parent}.",
            code="render_failed",
            hint="Is the disk full? Another folder can be chosen in the preferences of Movie Director.",
        )
    if rendered_size != size:
        _scale(path, size)
    return path


def _scale(path: Path, size: tuple[int, int]) -> None:
    """Scale a picture file to a size in pixels."""
    image = bpy.data.images.load(str(path))
    try:
        image.scale(*size)
        image.save()
    finally:
        bpy.data.images.remove(image)


def _new_path(folder: Path, scene: bpy.types.Scene, prefix: str) -> Path:
    prepare_folder(folder)
    stem = f"{prefix}_{bpy.path.clean_name(scene.name)}_{scene.frame_current:04d}_{time.strftime('%Y%m%d-%H%M%S')}"
    path = folder / f"{stem}.png"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.png"
    return path


def _first_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[0].removeprefix("Error: ")


def _set_up(scene: bpy.types.Scene, path: Path, size: tuple[int, int], *, strips: bool) -> None:
    settings = scene.render
    settings.engine = "BLENDER_WORKBENCH"
    settings.resolution_x, settings.resolution_y = size
    settings.resolution_percentage = 100
    settings.filepath = str(path)
    settings.use_file_extension = True
    settings.use_overwrite = True
    for switch in ("use_compositing", "use_border", "use_stamp", "use_multiview", "use_placeholder"):
        setattr(settings, switch, False)
    settings.use_sequencer = strips
    settings.film_transparent = False
    image = settings.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format = "PNG"
    image.color_mode = "RGB"
    image.color_depth = "8"
    image.color_management = "FOLLOW_SCENE"
    if strips:
        _show_plain_colours(scene)


def _show_plain_colours(scene: bpy.types.Scene) -> None:
    """Have the Sequencer's colours written as its files have them, without the film's look and exposure."""
    view = scene.view_settings
    for transform in PLAIN_TRANSFORMS:
        # A colour configuration of the user's own may have none of them: the film's transform stays then.
        with contextlib.suppress(TypeError):
            view.view_transform = transform
            break
    with contextlib.suppress(TypeError):
        view.look = "None"
    view.exposure, view.gamma, view.use_curve_mapping = 0.0, 1.0, False
    if hasattr(view, "use_white_balance"):
        view.use_white_balance = False


@contextlib.contextmanager
def _at_frame(scene: bpy.types.Scene, frame: int) -> Iterator[None]:
    before = scene.frame_current
    scene.frame_set(frame)
    try:
        yield
    finally:
        scene.frame_set(before)


@contextlib.contextmanager
def _announced(scene: bpy.types.Scene) -> Iterator[None]:
    """Say in the terminal, and by the mouse cursor, that Blender is at work."""
    print(f"Movie Director: rendering the start image in '{scene.name}'", flush=True)  # noqa: T201
    window = None if bpy.app.background else bpy.context.window
    if window is not None:
        window.cursor_modal_set("WAIT")
    try:
        yield
    finally:
        if window is not None:
            window.cursor_modal_restore()


_RENDER_SETTINGS = (
    "engine",
    "resolution_x",
    "resolution_y",
    "resolution_percentage",
    "filepath",
    "use_file_extension",
    "use_overwrite",
    "use_placeholder",
    "use_sequencer",
    "use_compositing",
    "use_border",
    "use_stamp",
    "use_multiview",
    "film_transparent",
)
# in this order: each of them decides which values the next may have
_VIEW_SETTINGS = ("view_transform", "look", "exposure", "gamma", "use_curve_mapping", "use_white_balance")
_IMAGE_SETTINGS = ("media_type", "file_format", "color_mode", "color_depth", "color_management")


@contextlib.contextmanager
def _restored(scene: bpy.types.Scene) -> Iterator[None]:
    settings = scene.render
    owners = (
        (settings, _values(settings, _RENDER_SETTINGS)),
        (settings.image_settings, _values(settings.image_settings, _IMAGE_SETTINGS)),
        (scene.view_settings, _values(scene.view_settings, _VIEW_SETTINGS)),
    )
    try:
        yield
    finally:
        for owner, before in owners:
            for name, value in before.items():
                setattr(owner, name, value)


def _values(owner: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(owner, name) for name in names if hasattr(owner, name)}


@contextlib.contextmanager
def _own_render_slot() -> Iterator[None]:
    """Render into a slot of our own, so that the user's last render stays; made once, for Blender can't remove one."""
    image = next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)
    if image is None:
        yield
        return
    slots = image.render_slots
    before = slots.active_index
    slots.active = next((slot for slot in slots if slot.name == SLOT_NAME), None) or slots.new(name=SLOT_NAME)
    try:
        yield
    finally:
        slots.active_index = before
