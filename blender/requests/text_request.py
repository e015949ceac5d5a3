"""Chat requests from a scene's settings, for texts and for shot lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.errors import ValidationError
from .. import commands
from ..platform import sequencer
from . import image_request

if TYPE_CHECKING:
    from ...clients.core.job import Job

BACKEND = "litellm"
MAX_CONTEXT = 400_000
"""Characters of a script that are sent at most: more than any model's window."""


@dataclass(frozen=True)
class Preset:
    """A kind of text: its name, the task in the user's message, and the system text."""

    label: str
    task: str
    system: str


_WRITER = "You are a screenwriter. Answer with the text alone, without remarks before or after it."
PRESETS = {
    "FREE": Preset("Free", "", ""),
    "SYNOPSIS": Preset(
        "Synopsis", "Write a synopsis.", f"{_WRITER} A synopsis tells the whole story, its end too, on half a page."
    ),
    "TREATMENT": Preset(
        "Treatment",
        "Write a treatment.",
        f"{_WRITER} A treatment tells the story scene by scene, in the present tense, with what is seen and heard.",
    ),
    "SCENE": Preset(
        "Scene",
        "Write a scene.",
        f"{_WRITER} Use the form of a screenplay: scene heading, action, names in capitals above their dialogue.",
    ),
    "DIALOGUE": Preset(
        "Dialogue", "Write a dialogue.", f"{_WRITER} Only names and what they say; short lines that can be spoken."
    ),
    "SHOT_LIST": Preset(
        "Shot List",
        "Write a shot list.",
        f"{_WRITER} One numbered line a shot: scene, size, what is seen, seconds.",
    ),
}
WISHES = ("prompt", "preset", "system", "model", "context", "script")
SHOT_WISHES = ("script", "model", "timeline", "selection_only")
"""What a caller may overrule of the scene's settings; ``script`` is then a text's name."""


def script_of(context: bpy.types.Context, name: str = "") -> bpy.types.Text | None:
    """Return the text that is the script: the one named, the scene's, else the one that the text editor shows."""
    if name:
        return bpy.data.texts.get(name)
    scene: Any = context.scene
    chosen: bpy.types.Text | None = scene.movie_director.writing.script
    if chosen is None:
        chosen = getattr(context.space_data, "text", None)
    return chosen


def selected(text: bpy.types.Text) -> str:
    """Return the selected part of a text."""
    ends = sorted(
        ((text.current_line_index, text.current_character), (text.select_end_line_index, text.select_end_character))
    )
    (first, start), (last, end) = ends
    lines = [line.body for line in text.lines[first : last + 1]]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return "\n".join(lines)


def submit_text(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit a text from the scene's settings, ``overrides`` first; raises ``ValidationError``."""
    from ...clients.litellm import ChatRequest
    from ..placing import live_text

    scene: Any = context.scene
    own = scene.movie_director.writing
    props = {name: overrides.get(name, getattr(own, name)) for name in WISHES if name != "script"}
    preset = PRESETS[props["preset"]]
    material = _material(context, props["context"], overrides.get("script", ""))
    if not props["prompt"].strip() and not (material and preset.task):
        raise ValidationError("There is no prompt.", code="no_prompt", hint="Write what the text should be about.")
    parts = [preset.task, props["prompt"].strip(), f"The text so far:\n\n{material}" if material else ""]
    request = ChatRequest(
        prompt="\n\n".join(part for part in parts if part),
        system="\n\n".join(part for part in (preset.system, props["system"].strip()) if part) or None,
        model=props["model"].strip() or None,
        metadata=image_request.provenance(scene, props["prompt"]),
    )
    title = image_request.short(props["prompt"] or preset.label)
    name = title if preset.label == "Free" else f"{preset.label}: {title}"
    target = image_request.target_for(scene, kind="text", title=name, prompt=props["prompt"], text=name)
    job = commands.submit(BACKEND, request, target)
    live_text.begin(job.id, BACKEND, target)
    return job


def submit_shot_list(context: bpy.types.Context, overrides: Mapping[str, Any]) -> Job:
    """Submit the breaking down of a script into shots; raises ``ValidationError`` if there is no script."""
    from ...clients.litellm import ChatRequest
    from ..placing import shot_list

    scene: Any = context.scene
    own = scene.movie_director.writing
    props = {name: overrides.get(name, getattr(own, name)) for name in SHOT_WISHES if name != "script"}
    text = _script(context, overrides.get("script", ""))
    script = _material_of(text, "SELECTION" if props["selection_only"] else "TEXT")
    request = ChatRequest(
        prompt=f"Break this script down into shots.\n\n{script}",
        system=shot_list.SYSTEM,
        model=props["model"].strip() or None,
        schema=shot_list.SCHEMA,
        stream=False,
        metadata=image_request.provenance(scene, text.name),
    )
    home = sequencer.scene_of(context)
    target = image_request.target_for(
        home,
        kind="shots",
        title=image_request.short(f"Shots of {text.name}"),
        prompt=text.name,
        text=image_request.short(f"{text.name} shots"),
        timeline=props["timeline"],
    )
    job = commands.submit(BACKEND, request, target)
    if props["timeline"] != "NONE":
        sequencer.show_scene(context, home)
    return job


def _script(context: bpy.types.Context, name: str) -> bpy.types.Text:
    text = script_of(context, name)
    if text is None:
        raise ValidationError(
            f"There is no text '{name}' in this film." if name else "No script is chosen.",
            code="no_script",
            hint="Open or write one in the Text Editor and choose it.",
        )
    return text


def _material(context: bpy.types.Context, source: str, name: str) -> str:
    return "" if source == "NONE" else _material_of(_script(context, name), source)


def _material_of(text: bpy.types.Text, source: str) -> str:
    found = selected(text) if source == "SELECTION" else text.as_string()
    if not found.strip():
        raise ValidationError(
            f"Nothing is selected in the text '{text.name}'."
            if source == "SELECTION"
            else f"The text '{text.name}' is empty.",
            code="no_script",
            hint="Select a part of it, or use the whole text."
            if source == "SELECTION"
            else "Write or paste the script into it.",
        )
    if len(found) > MAX_CONTEXT:
        raise ValidationError(
            f"The text '{text.name}' has {len(found)} characters, more than any model can read.",
            code="script_too_long",
            hint="Select a part of it.",
        )
    return found
