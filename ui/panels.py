"""The "Director" tab: which panels are in the 3D viewport, the Sequencer and the text editor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy
from bpy.types import Panel

from . import gradio_panel, image_panel, job_list, sound_panel, video_panel, write_panel
from .labels import Sidebar

if TYPE_CHECKING:
    from bpy.types import Context


class _Jobs(Sidebar):
    """The jobs, newest first."""

    bl_label = "Jobs"

    def draw_header_preset(self, _context: Context) -> None:
        """Put what concerns all jobs into the header."""
        row = self.layout.row(align=True)  # type: ignore[attr-defined]
        row.operator("movie_director.recover_jobs", text="", icon="RECOVER_LAST", emboss=False)
        row.operator("movie_director.open_output_folder", text="", icon="FILE_FOLDER", emboss=False)
        row.operator("movie_director.clear_finished", text="", icon="TRASH", emboss=False)

    def draw(self, context: Context) -> None:
        """Draw the list."""
        job_list.draw(self.layout, context)  # type: ignore[attr-defined]


EDITORS = {"VIEW_3D": "view", "SEQUENCE_EDITOR": "sequencer", "TEXT_EDITOR": "text"}
_PICTURES = frozenset({"VIEW_3D", "SEQUENCE_EDITOR"})
_ALL = frozenset(EDITORS)


@dataclass(frozen=True)
class _Place:
    """A panel: its name, the editors it is in, the panel it belongs to, and where it is folded away at first."""

    mixin: type
    name: str
    editors: frozenset[str]
    parent: str = ""
    closed: frozenset[str] = frozenset()


PLACES = (
    _Place(image_panel.Image, "generate", _PICTURES),
    _Place(image_panel.ImageOptions, "options", _PICTURES, "generate", _PICTURES),
    _Place(video_panel.Video, "video", _PICTURES, closed=_PICTURES),
    _Place(video_panel.VideoOptions, "video_options", _PICTURES, "video", _PICTURES),
    _Place(sound_panel.Sound, "sound", _PICTURES, closed=_PICTURES),
    _Place(sound_panel.Voice, "voice", _PICTURES, closed=_PICTURES),
    _Place(sound_panel.Convert, "convert", _PICTURES, "voice", _PICTURES),
    _Place(sound_panel.Train, "train", _PICTURES, "voice", _PICTURES),
    _Place(gradio_panel.GradioApp, "gradio", _PICTURES, closed=_PICTURES),
    _Place(write_panel.Write, "write", _ALL, closed=_PICTURES),
    _Place(write_panel.WriteOptions, "write_options", _ALL, "write", _ALL),
    _Place(write_panel.ShotList, "shot_list", _ALL, "write", _PICTURES),
    _Place(_Jobs, "jobs", _ALL),
)


def _panels() -> tuple[type[Panel], ...]:
    """Make each panel once for each editor it is in."""
    return tuple(
        _panel(place, editor, mark) for editor, mark in EDITORS.items() for place in PLACES if editor in place.editors
    )


def _panel(place: _Place, editor: str, mark: str) -> type[Panel]:
    identifier = f"MOVIE_DIRECTOR_PT_{place.name}_{mark}"
    members: dict[str, Any] = {"bl_idname": identifier, "bl_space_type": editor, "__doc__": place.mixin.__doc__}
    members["bl_options"] = {"DEFAULT_CLOSED"} if editor in place.closed else set()
    if place.parent:
        members["bl_parent_id"] = f"MOVIE_DIRECTOR_PT_{place.parent}_{mark}"
    return type(identifier, (place.mixin, Panel), members)


CLASSES = _panels()
register, unregister = bpy.utils.register_classes_factory((*gradio_panel.MENUS, *CLASSES))
