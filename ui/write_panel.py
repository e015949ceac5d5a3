"""The section "Write": texts and shot lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.requests import image_request, text_request
from .job_list import draw_running
from .labels import MainSidebar, Sidebar, action_button, paragraph, prompt_field
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


class Write(MainSidebar):
    """The settings of the next text, and the button."""

    bl_label = "Write"

    def draw(self, context: Context) -> None:
        """Draw what kind of text, about what, from what, and the button."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        props: Any = context.scene.movie_director.writing
        draw_server(layout, context, text_request.BACKEND)
        column = layout.column(align=True)
        column.prop(props, "preset", text="")
        prompt_field(column, props, "prompt", "TEXT", "What it is about")
        column.separator(factor=0.5)
        column.row(align=True).prop(props, "context", expand=True)
        if props.context != "NONE":
            draw_script(column, context)
        action_button(layout, "movie_director.write", "GREASEPENCIL", enabled=_ready(context, props))
        draw_running(layout, context, text_request.BACKEND)


class WriteOptions(Sidebar):
    """Who writes, and how."""

    bl_label = "Options"

    def draw(self, context: Context) -> None:
        """Draw the model and the instructions."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        props: Any = context.scene.movie_director.writing
        column = layout.column(align=True)
        row = column.row(align=True)
        prompt_field(row, props, "model", "USER", "Model: automatic")
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("movie_director.test_connection", text="", icon="FILE_REFRESH").backend = text_request.BACKEND
        prompt_field(column, props, "system", "INFO", "Instructions: style, language, length")


class ShotList(Sidebar):
    """A script becomes shots on the timeline."""

    bl_label = "Shot List"

    def draw(self, context: Context) -> None:
        """Draw the script, the shots' form in the film, and the button."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        props: Any = context.scene.movie_director.writing
        draw_script(layout, context)
        layout.prop(props, "selection_only")
        layout.row(align=True).prop(props, "timeline", expand=True)
        row = layout.row()
        row.scale_y = 1.3
        row.operator_context = "INVOKE_DEFAULT"
        row.enabled = text_request.script_of(context) is not None
        row.operator("movie_director.shot_list", text="Make Shot List", icon="PRESET")


def draw_script(layout: UILayout, context: Context) -> None:
    """Draw which text is the script."""
    props: Any = context.scene.movie_director.writing
    layout.prop(props, "script", text="", icon="TEXT")
    text = text_request.script_of(context)
    if text is None:
        paragraph(layout, context, "Choose a text, or open one in the Text Editor.", "INFO")
    elif props.script is None:
        paragraph(layout, context, f"This editor's text: {text.name}", "INFO")


def _ready(context: Context, props: Any) -> bool:
    if image_request.obstacle(context, files=False):
        return False
    if props.context != "NONE" and text_request.script_of(context) is None:
        return False
    return bool(props.prompt.strip()) or props.context != "NONE"
