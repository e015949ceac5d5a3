"""A script broken down into shots: the schema of the answer, and its texts and placeholders in the film."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..platform import sequencer
from . import live_text, shots
from .listed_shot import ListedShot, shot_spans
from .plan import free_channel
from .timeline import SceneTimeline

if TYPE_CHECKING:
    import bpy

    from ..state.ui_state import Placement

MAX_SHOTS = 500
_FIELDS = {
    "scene": "The heading of the scene, as the script has it, such as EXT. PIER - DUSK",
    "shot": "Size or angle of the shot, such as Wide, Close-up, Over the shoulder",
    "description": "What is to be seen, on its own enough to paint the picture",
    "dialogue": "What is said in this shot, as Name: words; empty if nothing",
    "sound": "What should be heard beside the dialogue; empty if nothing",
}
SCHEMA: dict[str, Any] = {
    "title": "shot_list",
    "type": "object",
    "properties": {
        "shots": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_SHOTS,
            "items": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string", "description": words} for name, words in _FIELDS.items()},
                    "duration": {"type": "number", "minimum": 0.2, "maximum": 600, "description": "Seconds"},
                },
                "required": [*_FIELDS, "duration"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["shots"],
    "additionalProperties": False,
}
"""The answer's form. The client checks it, and asks again for what does not fit."""

SYSTEM = (
    "You are a first assistant director who breaks scripts down into shot lists. Keep the order and the content of the"
    " script, invent nothing that contradicts it, and give each shot the seconds that it really needs."
)


def place(placement: Placement, scene: bpy.types.Scene, frame: int) -> str:
    """Write the list into a text as JSON, and onto the timeline as the target says; return what was done.

    ``StorageError`` with code ``channels_full`` if the Sequencer has no room; the text is there all the same.
    """
    listed = [ListedShot.from_dict(data) for data in placement.result.data["shots"]]
    text = live_text.find(placement.job_id)
    if text is None:
        text = live_text.make(placement.target.text, placement.job_id, placement.backend, placement.target)
        text.from_string(live_text.clean(json.dumps(placement.result.data, ensure_ascii=False, indent=2)) + "\n")
    timeline = placement.target.timeline
    if timeline in ("STRIPS", "BOTH"):
        spans = shot_spans(listed, sequencer.rate(scene))
        end = frame + spans[-1][0] + spans[-1][1]
        shots.add_placeholders(scene, listed, frame, free_channel(SceneTimeline(scene), frame, end))
    if timeline in ("MARKERS", "BOTH"):
        shots.add_markers(scene, listed, frame)
    return f"{len(listed)} shots in the text '{text.name}'" + _WHERE.get(timeline, "")


_WHERE = {
    "STRIPS": " and as strips on the timeline",
    "MARKERS": " and as markers on the timeline",
    "BOTH": " and as strips and markers on the timeline",
}
