"""Dataclasses of every kind of field that a structured answer may have."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Literal


class Angle(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Line:
    who: str
    text: str
    reply: Line | None = None


@dataclass
class Shot:
    scene: str = field(metadata={"description": "where and when"})
    number: int
    seconds: float
    angle: Angle
    kind: Literal["wide", "close"]
    lines: list[Line]
    tags: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    loose: dict = field(default_factory=dict)
    things: list = field(default_factory=list)
    other: Any = None
    day: bool = True
    inserts: list[Shot] = field(default_factory=list)
