"""Shots on the timeline: coloured placeholder strips that know what is to be seen, said and heard.

A strip keeps its shot in a property of its own, with an id, so that a result that comes minutes later finds its place
whatever was moved or renamed meanwhile.
"""

from __future__ import annotations

import colorsys
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import bpy

from ..platform import sequencer

SHOT_KEY = "movie_director_shot"
NAME_LENGTH = 60
_GOLDEN = 0.618034
"""Neighbouring scenes get hues this far apart, so that no two look alike."""


@dataclass(frozen=True)
class Shot:
    """A shot of a list; ``duration`` in seconds. ``id`` is empty until it is on the timeline."""

    scene: str = ""
    shot: str = ""
    description: str = ""
    dialogue: str = ""
    sound: str = ""
    duration: float = 0.0
    id: str = ""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Shot:
        """Read what a strip or an answer has; what is missing is empty."""
        texts = {
            name: str(data.get(name) or "") for name in ("scene", "shot", "description", "dialogue", "sound", "id")
        }
        return cls(**texts, duration=float(data.get("duration") or 0.0))

    def title(self, number: int) -> str:
        """Return its name on the timeline: "3 Close-up: Mara's hand closes"."""
        return f"{number} {self.shot}: {self.description}"[:NAME_LENGTH]


@dataclass(frozen=True)
class StripSlot:
    """Where a strip goes: ``channel`` 0 is any free one. ``shot`` is the one it shows, if any."""

    start: int
    length: int
    channel: int = 0
    shot: Shot | None = None


def of_strip(strip: Any) -> Shot | None:
    """Return a strip's shot, None if it has none."""
    kept = strip.get(SHOT_KEY)
    return Shot.read(kept.to_dict()) if kept is not None and hasattr(kept, "to_dict") else None


def mark(strip: Any, shot: Shot | None) -> None:
    """Have a strip know the shot it shows, if any."""
    if shot is not None:
        strip[SHOT_KEY] = asdict(shot)


def selected(scene: bpy.types.Scene) -> list[tuple[Any, Shot]]:
    """Return the selected strips that have shots, in their order in the film."""
    found = [(strip, shot) for strip in sequencer.strips_of(scene) if strip.select and (shot := of_strip(strip))]
    return sorted(found, key=lambda pair: sequencer.bounds(pair[0])[0])


def spot(scene: bpy.types.Scene, shot_id: str, otherwise: StripSlot) -> StripSlot:
    """Return where a result for a shot goes: the placeholder's place; ``otherwise`` for a shot that is not there.

    A shot that has a result already keeps it: the new one goes to a free channel at the same frames.
    """
    known = _strips_of(scene, shot_id)
    if not known:
        return otherwise
    strip = known[0]
    start, end = sequencer.bounds(strip)
    return StripSlot(start, end - start, int(strip.channel) if _is_placeholder(strip) else 0, of_strip(strip))


def vacate(scene: bpy.types.Scene, shot_id: str) -> None:
    """Take a shot's placeholder out, if it is still there, for its result to take its place."""
    for strip in _strips_of(scene, shot_id):
        if _is_placeholder(strip):
            sequencer.remove(scene, strip)
            return


def _strips_of(scene: bpy.types.Scene, shot_id: str) -> list[Any]:
    """Return the strips of a shot, placeholders first."""
    if not shot_id:
        return []
    known = [strip for strip in sequencer.strips_of(scene) if (shot := of_strip(strip)) and shot.id == shot_id]
    return sorted(known, key=_is_placeholder, reverse=True)


def _is_placeholder(strip: Any) -> bool:
    return bool(strip.type == "COLOR")


def frames_of(shots: Sequence[Shot], rate: float) -> list[tuple[int, int]]:
    """Return each shot's first frame, from 0, and its length; rounded so that the sum does not drift."""
    found, seconds = [], 0.0
    for shot in shots:
        start = round(seconds * rate)
        seconds += shot.duration
        found.append((start, max(1, round(seconds * rate) - start)))
    return found


def add_markers(scene: bpy.types.Scene, shots: Sequence[Shot], frame: int) -> int:
    """Set a marker at the start of each shot, the first at ``frame``; return how many."""
    for number, (shot, (start, _)) in enumerate(zip(shots, frames_of(shots, sequencer.rate(scene)), strict=True), 1):
        scene.timeline_markers.new(shot.title(number), frame=frame + start)
    return len(shots)


def add_placeholders(scene: bpy.types.Scene, shots: Sequence[Shot], frame: int) -> int:
    """Put a coloured strip for each shot on one free channel, from ``frame`` on; return how many.

    Shots of one scene have one colour. ``StorageError`` with code ``channels_full`` if there is no room.
    """
    spans = frames_of(shots, sequencer.rate(scene))
    if not spans:
        return 0
    channel = sequencer.free_channel(scene, frame, frame + spans[-1][0] + spans[-1][1])
    scenes = list(dict.fromkeys(shot.scene for shot in shots))
    for number, (shot, (start, length)) in enumerate(zip(shots, spans, strict=True), 1):
        colour = colorsys.hsv_to_rgb(scenes.index(shot.scene) * _GOLDEN % 1.0, 0.45, 0.35)
        strip = sequencer.add_colour(scene, shot.title(number), frame + start, length, colour, channel)
        mark(strip, replace(shot, id=os.urandom(8).hex()))
    return len(shots)
