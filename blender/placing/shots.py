"""Shots on the timeline: coloured placeholder strips that carry a shot's description, dialogue and sound.

A strip keeps its shot in a property of its own, with an id, so that a result that comes minutes later finds its place
whatever was moved or renamed meanwhile.
"""

from __future__ import annotations

import colorsys
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import bpy

from ..platform import sequencer
from .listed_shot import ListedShot, shot_spans

SHOT_KEY = "movie_director_shot"
_GOLDEN = 0.618034
"""Neighbouring scenes get hues this far apart, so that no two look alike."""


def of_strip(strip: Any) -> ListedShot | None:
    """Return a strip's shot, None if it has none."""
    kept = strip.get(SHOT_KEY)
    return ListedShot.from_dict(kept.to_dict()) if kept is not None and hasattr(kept, "to_dict") else None


def mark(strip: Any, shot: ListedShot | None) -> None:
    """Have a strip know the shot it shows, if any."""
    if shot is not None:
        strip[SHOT_KEY] = asdict(shot)


def is_in(scene: bpy.types.Scene, shot_id: str) -> bool:
    """Return True if a strip of the scene carries the shot."""
    return bool(shot_id) and any(
        (shot := of_strip(strip)) is not None and shot.id == shot_id for strip in sequencer.strips_of(scene)
    )


def selected(scene: bpy.types.Scene) -> list[tuple[Any, ListedShot]]:
    """Return the selected strips that have shots, in their order in the film."""
    found = [(strip, shot) for strip in sequencer.strips_of(scene) if strip.select and (shot := of_strip(strip))]
    return sorted(found, key=lambda pair: sequencer.bounds(pair[0])[0])


def add_markers(scene: bpy.types.Scene, shots: Sequence[ListedShot], frame: int) -> int:
    """Set a marker at the start of each shot, the first at ``frame``; return how many."""
    for number, (shot, (start, _)) in enumerate(zip(shots, shot_spans(shots, sequencer.rate(scene)), strict=True), 1):
        scene.timeline_markers.new(shot.title(number), frame=frame + start)
    return len(shots)


def add_placeholders(scene: bpy.types.Scene, shots: Sequence[ListedShot], frame: int, channel: int) -> int:
    """Put a coloured strip for each shot on one channel, from ``frame`` on; return how many.

    Shots of one scene have one colour.
    """
    spans = shot_spans(shots, sequencer.rate(scene))
    scenes = list(dict.fromkeys(shot.scene for shot in shots))
    for number, (shot, (start, length)) in enumerate(zip(shots, spans, strict=True), 1):
        colour = colorsys.hsv_to_rgb(scenes.index(shot.scene) * _GOLDEN % 1.0, 0.45, 0.35)
        strip = sequencer.add_colour(scene, shot.title(number), frame + start, length, colour, channel)
        mark(strip, replace(shot, id=os.urandom(8).hex()))
        sequencer.extend_film(scene, frame + start + length)
    return len(shots)
