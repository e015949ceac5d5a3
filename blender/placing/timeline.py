"""A scene's Sequencer as the ``Timeline`` that ``plan`` works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..platform import sequencer
from . import shots
from .plan import StripInfo

if TYPE_CHECKING:
    import bpy


class SceneTimeline:
    """The strips of one scene; asked anew at each call, and never kept over a tick."""

    def __init__(self, scene: bpy.types.Scene) -> None:
        self._scene = scene

    @property
    def name(self) -> str:
        """The scene's name."""
        return self._scene.name

    def strips(self) -> list[StripInfo]:
        """Return the scene's strips."""
        return [
            StripInfo(strip, *sequencer.bounds(strip), int(strip.channel), shots.of_strip(strip), strip.type == "COLOR")
            for strip in sequencer.strips_of(self._scene)
        ]

    def locked_channels(self) -> set[int]:
        """Return the numbers of the locked channels."""
        return sequencer.locked_channels(self._scene)
