"""A shot of a shot list as plain data, and where shots lie in time. No ``bpy`` here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAME_LENGTH = 60


@dataclass(frozen=True)
class ListedShot:
    """A shot of a list; ``duration`` in seconds. ``id`` is empty until the shot is on the timeline."""

    scene: str = ""
    shot: str = ""
    description: str = ""
    dialogue: str = ""
    sound: str = ""
    duration: float = 0.0
    id: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ListedShot:
        """Make a shot of a strip's or an answer's fields; missing ones are empty."""
        texts = {
            name: str(data.get(name) or "") for name in ("scene", "shot", "description", "dialogue", "sound", "id")
        }
        return cls(**texts, duration=float(data.get("duration") or 0.0))

    def title(self, number: int) -> str:
        """Return its name on the timeline: "3 Close-up: Mara's hand closes"."""
        return f"{number} {self.shot}: {self.description}"[:NAME_LENGTH]


def shot_spans(shots: Sequence[ListedShot], rate: float) -> list[tuple[int, int]]:
    """Return each shot's first frame, from 0, and its length in frames; rounded so that the sum does not drift."""
    spans, seconds = [], 0.0
    for shot in shots:
        start = round(seconds * rate)
        seconds += shot.duration
        spans.append((start, max(1, round(seconds * rate) - start)))
    return spans
