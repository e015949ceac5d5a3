"""The "Director" tab in the 3D viewport and in the Sequencer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
from bpy.types import Panel

from ..blender import generation, redraw, session, settings
from . import job_list
from .labels import paragraph, supports_placeholder

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


class _Sidebar:
    """Mix-in: what all our panels share."""

    bl_region_type = "UI"
    bl_category = redraw.TAB


class _Generate(_Sidebar):
    """The wishes for the next picture, and the button."""

    bl_label = "Generate Image"

    def draw_header_preset(self, _context: Context) -> None:
        """Put the way to the preferences into the header."""
        self.layout.operator(  # type: ignore[attr-defined]
            "preferences.addon_show", text="", icon="PREFERENCES", emboss=False
        ).module = settings.PACKAGE

    def draw(self, context: Context) -> None:
        """Draw the fields in the order in which a film maker fills them."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        wishes = context.scene.movie_director
        draw_server(layout, context)
        _draw_prompt(layout, wishes)
        _draw_start(layout, context, wishes)
        _draw_seed(layout, wishes)
        _draw_button(layout, context)


def _draw_prompt(layout: UILayout, wishes: Any) -> None:
    column = layout.column(align=True)
    if supports_placeholder():
        column.prop(wishes, "prompt", text="", icon="TEXT", placeholder="What to see")
        column.prop(wishes, "negative_prompt", text="", icon="CANCEL", placeholder="What to avoid")
    else:
        column.prop(wishes, "prompt", text="", icon="TEXT")
        column.prop(wishes, "negative_prompt", text="", icon="CANCEL")


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


def draw_server(layout: UILayout, context: Context) -> None:
    """Draw which server is used, what it said last, and the way out for who has none."""
    if settings.preferences().demo_mode:
        row = layout.row()
        row.label(text="Demo mode: test pictures", icon="GHOST_ENABLED")
        row.operator("movie_director.demo_mode", text="", icon="X", emboss=False).enable = False
        return
    answer = session.board.probes.get("comfyui")
    row = layout.row(align=True)
    error = answer.error if answer else job_list.newest_connection_error()
    row.label(text=_server_line(answer, error), icon=_server_icon(answer, error))
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("movie_director.test_connection", text="", icon="FILE_REFRESH").backend = "comfyui"
    if error is not None:
        box = layout.box()
        paragraph(box, context, error.message, "ERROR", alert=True)
        paragraph(box, context, error.hint, "BLANK1")
        box.operator("movie_director.demo_mode", text="Turn on demo mode", icon="GHOST_ENABLED").enable = True
    elif answer is None and not job_list.server_answers():
        layout.operator("movie_director.demo_mode", text="No server? Try demo mode", icon="GHOST_ENABLED").enable = True


def _server_line(answer: Any, error: Any) -> str:
    if error is not None:
        return "ComfyUI: no connection"
    if answer is None:
        return "ComfyUI: connected" if job_list.server_answers() else "ComfyUI: not tested yet"
    return "ComfyUI: asking..." if answer.pending else f"ComfyUI {answer.info.version}"


def _server_icon(answer: Any, error: Any) -> Any:
    if error is not None:
        return "UNLINKED"
    if answer is None:
        return "CHECKMARK" if job_list.server_answers() else "URL"
    return "SORTTIME" if answer.pending else "CHECKMARK"


class _Options(_Sidebar):
    """What is set once for a film."""

    bl_label = "Options"
    bl_options = {"DEFAULT_CLOSED"}

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


class _Jobs(_Sidebar):
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


def _panels() -> tuple[type[Panel], ...]:
    """Make each panel once for each editor it is in."""
    made = []
    for space, mark in (("VIEW_3D", "view"), ("SEQUENCE_EDITOR", "sequencer")):
        for mixin, name in ((_Generate, "generate"), (_Options, "options"), (_Jobs, "jobs")):
            identifier = f"MOVIE_DIRECTOR_PT_{name}_{mark}"
            members: dict[str, Any] = {"bl_idname": identifier, "bl_space_type": space, "__doc__": mixin.__doc__}
            if mixin is _Options:
                members["bl_parent_id"] = f"MOVIE_DIRECTOR_PT_generate_{mark}"
            made.append(type(identifier, (mixin, Panel), members))
    return tuple(made)


CLASSES = _panels()
register, unregister = bpy.utils.register_classes_factory(CLASSES)
