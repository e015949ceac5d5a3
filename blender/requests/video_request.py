"""Video requests from a scene's settings, on the main thread: size, length, seed and first frame resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import ValidationError
from .. import commands
from ..platform import sequencer
from ..state import settings
from . import camera_view, image_request

if TYPE_CHECKING:
    from ...clients.core.job import Job

BACKEND = "wan2gp"
DEFAULT_MODEL = "ti2v_2_2"
"""Small for its quality, and takes a prompt with or without a first frame."""
MAX_SEED = 999_999_999
"""What the program takes at most."""
WISHES = (
    "prompt",
    "negative_prompt",
    "model",
    "seconds",
    "quality",
    "seed",
    "input_source",
    "input_image",
    "shot",
)
"""What a caller may overrule of the scene's settings."""


def size(context: bpy.types.Context) -> tuple[int, int]:
    """Return width and height of the next clip in pixels, before the model's own steps."""
    scene: Any = context.scene
    return camera_view.picture_size(scene, scene.movie_director.video.size_limit)


def ready(context: bpy.types.Context) -> bool:
    """Return True if the scene's settings are enough to generate; for the panel's button."""
    scene: Any = context.scene
    own = scene.movie_director.video
    if image_request.obstacle(context) or not own.prompt.strip():
        return False
    return own.input_source != "CAMERA" or scene.camera is not None


def submit_video(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit a clip from the scene's settings, ``overrides`` first; raises ``BackendError``.

    Nothing is sent on this thread. The camera or the Sequencer, if the first frame is theirs, is rendered here.
    """
    from ...clients.wan2gp import VideoRequest

    scene: Any = context.scene
    own = scene.movie_director.video
    folder = settings.output_folder()
    props = {name: overrides.get(name, getattr(own, name, "")) for name in WISHES}
    home = sequencer.scene_of(context)
    shot, place = image_request.shot_place(home, props["shot"])
    if shot is not None:
        props["prompt"] = overrides.get("prompt", shot.description)
        props["frame"] = place["frame"]
        props["seconds"] = overrides.get("seconds", place["length"] / sequencer.rate(home))
    if not props["prompt"].strip():
        raise ValidationError("There is no prompt.", code="no_prompt", hint="Write what happens in the clip.")
    seed = image_request.resolve_seed(own, overrides, MAX_SEED)
    wanted = size(context)
    start = image_request.start_picture(context, props, folder, wanted)
    fields: dict[str, Any] = {
        "prompt": props["prompt"],
        "model": props["model"].strip() or DEFAULT_MODEL,
        "settings": {"negative_prompt": props["negative_prompt"]} if props["negative_prompt"].strip() else {},
        "files": {"image_start": start} if start is not None else {},
        "seed": seed,
        "duration_s": props["seconds"],
        "width": wanted[0],
        "height": wanted[1],
        "preset": props["quality"],
    }
    request = VideoRequest(**fields, metadata=image_request.provenance(scene, props["prompt"]))
    place = {"length": sequencer.strip_frames(home, props["seconds"]), **place}
    target = image_request.target_for(
        home,
        kind="video",
        title=image_request.short(props["prompt"]),
        prompt=props["prompt"],
        fit=scene.movie_director.fit,
        **place,
    )
    job = commands.submit(BACKEND, request, target)
    if "seed" not in overrides:
        own.seed = str(seed)
    sequencer.show_scene(context, home)
    return job
