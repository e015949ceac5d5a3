"""Image requests from a scene's settings, on the main thread: seed resolved, paths absolute, camera rendered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import ValidationError
from .. import commands
from ..placing import shots
from ..platform import sequencer
from ..state import runtime_ref, settings
from . import camera_view

if TYPE_CHECKING:
    from ...clients.comfyui import WorkflowRequest
    from ...clients.core.job import Job
    from ...runtime import JobView
    from ..placing.listed_shot import ListedShot
    from ..state.placement_request import PlacementTarget

BACKEND = "comfyui"
MAX_SEED = 2**64 - 1
RANDOM_SEED_BITS = 31
"""What every node takes: those that call paid services end there."""
TITLE_LENGTH = 60

WISHES = (
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "input_source",
    "input_image",
    "strength",
    "workflow",
    "as_strip",
    "shot",
)
"""What a caller may overrule of the scene's settings."""


def obstacle(context: bpy.types.Context, *, files: bool = True) -> str:
    """Return why nothing can be generated now and what to do about it, "" if nothing is in the way.

    ``files``: True if the result is files, which need a folder.
    """
    if context.scene is None:
        return "There is no scene."
    if files and settings.output_folder_or_none() is None:
        return "Save the .blend file first, or choose a folder for the results of unsaved films."
    if bpy.app.is_job_running("RENDER"):
        return "Wait until the render is done."
    return ""


def ready(context: bpy.types.Context) -> bool:
    """Return True if the scene's settings are enough to generate; for the panel's button."""
    props = context.scene.movie_director
    if obstacle(context) or not props.prompt.strip():
        return False
    return props.input_source != "CAMERA" or context.scene.camera is not None


def size(context: bpy.types.Context) -> tuple[int, int]:
    """Return width and height of the next picture in pixels."""
    scene: Any = context.scene
    return camera_view.picture_size(scene, scene.movie_director.size_limit)


def random_seed() -> int:
    """Return a new seed."""
    return int.from_bytes(os.urandom(8), "little") >> (64 - RANDOM_SEED_BITS)


def parse_seed(text: str, most: int = MAX_SEED) -> int:
    """Read a seed; ``ValidationError`` with code ``invalid_seed`` if it is no number from 0 to ``most``."""
    try:
        seed = int(text.strip())
    except ValueError:
        seed = -1
    if not 0 <= seed <= most:
        raise ValidationError(
            f"'{text}' is not a seed.", code="invalid_seed", hint=f"A seed is a whole number from 0 to {most}."
        )
    return seed


def submit_image(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit an image from the scene's settings, ``overrides`` first; raises ``BackendError``.

    Nothing is sent on this thread, and no workflow is read. The camera, if it is the input, is rendered here.
    """
    scene: Any = context.scene
    folder = settings.output_folder()
    props = {name: overrides.get(name, getattr(scene.movie_director, name, "")) for name in WISHES}
    home = sequencer.scene_of(context)
    shot, place = shot_place(home, props["shot"])
    if shot is not None:
        props["prompt"] = overrides.get("prompt", shot.description)
        props["frame"] = place["frame"]
    if props["workflow"].strip() and "steps" not in overrides:
        props["steps"] = None  # a workflow of the user's own has the steps that its model needs
    if not props["prompt"].strip():
        raise ValidationError("There is no prompt.", code="no_prompt", hint="Write what the picture should show.")
    seed = resolve_seed(scene.movie_director, overrides)
    request = _request(props, seed, context, folder)
    own = scene.movie_director
    place = {
        "length": own.strip_frames or sequencer.strip_frames(home, settings.preferences().strip_seconds),
        **place,
    }
    target = target_for(
        home, title=short(props["prompt"]), prompt=props["prompt"], fit=own.fit, as_strip=props["as_strip"], **place
    )
    job = commands.submit(BACKEND, request, target)
    if "seed" not in overrides:
        scene.movie_director.seed = str(seed)
    if props["as_strip"]:
        sequencer.show_scene(context, scene)
    return job


def resubmit(view: JobView) -> Job:
    """Submit a job's request again, with the same placement target."""
    from ..state.placement_request import PlacementTarget

    return commands.submit(view.backend, runtime_ref.runtime().job(view.id).request, PlacementTarget.from_tag(view.tag))


def resolve_seed(owner: Any, overrides: Mapping[str, Any], most: int = MAX_SEED) -> int:
    """Return the seed to use, ``most`` at most: the caller's, the one that ``owner`` has locked, else a new one."""
    given = overrides.get("seed", owner.seed if owner.lock_seed else "")
    return parse_seed(given, most) if given.strip() else random_seed() % (most + 1)


def short(text: str) -> str:
    """Return a text on one line, short enough for a name."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 3]}..."


def shot_place(scene: bpy.types.Scene, shot_id: str) -> tuple[ListedShot | None, dict[str, Any]]:
    """Return the shot of that id and the target fields of its place in the film; (None, {}) for an empty id.

    ``ValidationError`` with code ``no_shot`` if it is not in the Sequencer.
    """
    if not shot_id:
        return None, {}
    for strip in sequencer.strips_of(scene):
        shot = shots.of_strip(strip)
        if shot is not None and shot.id == shot_id:
            start, end = sequencer.bounds(strip)
            return shot, {"shot": shot_id, "frame": start, "length": end - start}
    raise ValidationError("That shot is no longer in the Sequencer.", code="no_shot", hint="Select another one.")


def target_for(scene: bpy.types.Scene, **fields: Any) -> PlacementTarget:
    """Return the placement target in a scene, at its playhead unless ``fields`` hold another frame."""
    from ..state.placement_request import PlacementTarget

    place = {"scene": scene.name, "scene_uid": scene.session_uid, "frame": scene.frame_current}
    return PlacementTarget(blend_file=bpy.data.filepath, **{**place, **fields})


def _workflow_path(props: Mapping[str, Any]) -> Path:
    if props["workflow"].strip():
        return Path(bpy.path.abspath(props["workflow"].strip()))
    from ...clients.comfyui import bundled_workflow

    return bundled_workflow("text_to_image" if props["input_source"] == "NONE" else "image_to_image")


def _request(props: Mapping[str, Any], seed: int, context: bpy.types.Context, folder: Path) -> WorkflowRequest:
    from ...clients.comfyui import WorkflowRequest

    scene: Any = context.scene
    width, height = size(context)
    slots: dict[str, Any] = {"prompt": props["prompt"], "width": width, "height": height}
    if props["negative_prompt"].strip():
        slots["negative_prompt"] = props["negative_prompt"]
    if props["steps"] is not None:
        slots["steps"] = props["steps"]
    picture = start_picture(context, props, folder, (width, height))
    if picture is not None:
        slots |= {"image": picture, "denoise": props["strength"]}
    return WorkflowRequest(
        workflow=_workflow_path(props), slots=slots, seed=seed, metadata=provenance(scene, props["prompt"])
    )


def start_picture(
    context: bpy.types.Context, props: Mapping[str, Any], folder: Path, wanted: tuple[int, int]
) -> Path | None:
    """Return the picture to start from, None for the prompt alone; camera and strips are rendered here, at the frame
    that ``props`` names if they do.
    """
    source, frame = props["input_source"], props.get("frame")
    if source == "NONE":
        return None
    if source == "CAMERA":
        scene: Any = context.scene
        return camera_view.render(scene, folder / "inputs", wanted, frame=frame)
    if source == "STRIPS":
        return camera_view.render(sequencer.scene_of(context), folder / "inputs", wanted, strips=True, frame=frame)
    if not props["input_image"].strip():
        raise ValidationError(
            "No image to start from is chosen.",
            code="no_input_image",
            hint="Choose one, or start from the prompt alone.",
        )
    return Path(bpy.path.abspath(props["input_image"].strip()))


def provenance(scene: bpy.types.Scene, prompt: str) -> dict[str, str]:
    """Return the provenance fields of a request's sidecar."""
    return {"prompt": prompt, "film": bpy.data.filepath, "scene": scene.name}
