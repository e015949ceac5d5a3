"""The "Director" tab: which panels are in the 3D viewport, the Sequencer and the text editor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bpy
from bpy.types import Panel

from ..blender import generation, sequencer, settings, shots
from . import job_list, write_panel
from .labels import Sidebar, paragraph, preferences_button, prompt_field
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


SHOTS_SHOWN = 4


class _Generate(Sidebar):
    """The wishes for the next picture, and the button."""

    bl_label = "Generate Image"

    def draw_header_preset(self, _context: Context) -> None:
        """Put the way to the preferences into the header."""
        preferences_button(self.layout)  # type: ignore[attr-defined]

    def draw(self, context: Context) -> None:
        """Draw the fields in the order in which a film maker fills them."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        wishes = context.scene.movie_director
        draw_server(layout, context, generation.BACKEND)
        draw_shots(layout, context, "IMAGE")
        _draw_prompt(layout, wishes)
        _draw_start(layout, context, wishes)
        _draw_seed(layout, wishes)
        _draw_button(layout, context)


def draw_shots(layout: UILayout, context: Context, kind: str) -> None:
    """Draw what the selected placeholders want to be, and the button that makes it."""
    chosen = shots.selected(sequencer.scene_of(context))
    if not chosen:
        return
    box = layout.box()
    for strip, shot in chosen[:SHOTS_SHOWN]:
        box.label(text=strip.name, icon="SEQUENCE")
        if len(chosen) == 1:
            paragraph(box, context, shot.description, "BLANK1")
    if len(chosen) > SHOTS_SHOWN:
        box.label(text=f"and {len(chosen) - SHOTS_SHOWN} more", icon="BLANK1")
    row = box.row()
    row.scale_y = 1.3
    row.operator_context = "INVOKE_DEFAULT"
    text = f"Generate for {len(chosen)} Shots" if len(chosen) > 1 else "Generate for This Shot"
    row.operator("movie_director.generate_shots", text=text, icon="RENDER_STILL").kind = kind


def _draw_prompt(layout: UILayout, wishes: Any) -> None:
    column = layout.column(align=True)
    prompt_field(column, wishes, "prompt", "TEXT", "What to see")
    prompt_field(column, wishes, "negative_prompt", "CANCEL", "What to avoid")


def _draw_start(layout: UILayout, context: Context, wishes: Any) -> None:
    column = layout.column(align=True)
    column.label(text="Start from")
    column.row(align=True).prop(wishes, "input_source", expand=True)
    if wishes.input_source == "FILE":
        column.prop(wishes, "input_image", text="")
    if wishes.input_source == "CAMERA":
        column.separator(factor=0.5)
        if context.scene.camera is None:
            text = "This scene has no camera. Add one, or start from the prompt."
            paragraph(column, context, text, "ERROR", alert=True)
        else:
            paragraph(column, context, "The view is rendered first; Blender waits for a moment.", "INFO")
    if wishes.input_source != "NONE":
        column.prop(wishes, "strength", slider=True)


def _draw_seed(layout: UILayout, wishes: Any) -> None:
    row = layout.row(align=True)
    row.prop(wishes, "seed")
    row.operator("movie_director.new_seed", text="", icon="FILE_REFRESH")
    row.prop(wishes, "lock_seed", text="", icon="LOCKED" if wishes.lock_seed else "UNLOCKED")


def _draw_button(layout: UILayout, context: Context) -> None:
    obstacle = generation.obstacle(context)
    column = layout.column()
    if obstacle:
        paragraph(column, context, obstacle, "INFO")
    if settings.output_folder_or_none() is None:
        row = column.row(align=True)
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("wm.save_as_mainfile", text="Save Film", icon="FILE_TICK")
        row.operator("movie_director.choose_unsaved_folder", text="Folder...", icon="FILE_FOLDER")
    elif not context.scene.movie_director.prompt.strip():
        column.label(text="Write what to see first", icon="INFO")
    row = column.row()
    row.scale_y = 1.6
    row.operator_context = "INVOKE_DEFAULT"
    row.enabled = generation.ready(context)
    row.operator("movie_director.generate_image", icon="RENDER_STILL")


class _Options(Sidebar):
    """What is set once for a film."""

    bl_label = "Options"

    def draw(self, context: Context) -> None:
        """Draw the workflow, the size and the strip."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        layout.use_property_split = True
        layout.use_property_decorate = False
        wishes = context.scene.movie_director
        layout.prop(wishes, "workflow")
        row = layout.row()
        row.active = not wishes.workflow  # one's own has steps of its own
        row.prop(wishes, "steps")
        layout.prop(wishes, "size_limit")
        width, height = generation.size(context)
        layout.label(text=f"{width} x {height} pixels", icon="BLANK1")
        layout.prop(wishes, "as_strip")
        column = layout.column()
        column.active = wishes.as_strip
        column.prop(wishes, "strip_frames")
        column.prop(wishes, "fit")


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
    _Place(_Generate, "generate", _PICTURES),
    _Place(_Options, "options", _PICTURES, "generate", _PICTURES),
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
register, unregister = bpy.utils.register_classes_factory(CLASSES)
