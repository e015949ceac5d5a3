"""Placement targets: where a job's result goes, as plain strings that a journal can keep.

No Blender data is held: the scene that asked is remembered by name, by its id of this session, and by its file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

PROCESS_TOKEN = os.urandom(8).hex()
"""Tells this run of Blender from others: a session id means nothing in another one."""

Tag = Mapping[str, str]


@dataclass(frozen=True)
class PlacementTarget:
    """Where a result goes: ``frame`` is the playhead when it was asked for, ``length`` the strip's in frames.

    ``kind`` is one of ``placement.KINDS``; ``shot`` the id of the placeholder strip that the result takes the place of;
    ``text`` the name of the Text datablock that an answer is written into; ``timeline`` what a shot list becomes there.
    ``server`` names the server that the job was sent to (``settings.server_key``).
    """

    title: str
    kind: str = "image"
    prompt: str = ""
    scene: str = ""
    scene_uid: int = 0
    blend_file: str = ""
    process: str = PROCESS_TOKEN
    frame: int = 1
    length: int = 1
    fit: str = "FIT"
    as_strip: bool = True
    shot: str = ""
    text: str = ""
    timeline: str = ""
    server: str = ""

    def to_tag(self) -> dict[str, str]:
        """Return the target as the plain strings of a job's tag."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_tag(cls, tag: Tag) -> PlacementTarget:
        """Make a target of a tag; missing or malformed fields get their defaults."""
        values: dict[str, str | int | bool] = {"title": ""}
        for field in fields(cls):
            if field.name in tag:
                values[field.name] = _value(field.default, tag[field.name])
        return cls(**values)  # type: ignore[arg-type]

    @property
    def of_this_process(self) -> bool:
        """True if this run of Blender submitted the job."""
        return self.process == PROCESS_TOKEN


def _value(default: object, text: str) -> str | int | bool:
    if isinstance(default, bool):
        return text == "True"
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            return default
    return text
