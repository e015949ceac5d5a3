"""The section "Generate Image"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.requests import image_request
from .job_list import draw_running
from .labels import Sidebar, preferences_button, prompt_field
from .request_fields import draw_obstacle, draw_seed, draw_shots, draw_start
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


class Image(Sidebar):
    """The wishes for the next picture, and the button."""

    bl_label = "Generate Image"

    def draw_header_preset(self, _context: Context) -> None:
        """Put the way to the preferences into the header."""
        preferences_button(self.layout)  # type: ignore[attr-defined]

    def draw(self, context: Context) -> None:
        """Draw the fields in the order in which a film maker fills them."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        wishes = context.scene.movie_director
        draw_server(layout, context, image_request.BACKEND)
        draw_shots(layout, context, "IMAGE")
        _draw_prompt(layout, wishes)
        draw_start(layout, context, wishes)
        draw_seed(layout, wishes, "image")
        _draw_button(layout, context)
        draw_running(layout, context, image_request.BACKEND)


class ImageOptions(Sidebar):
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
        width, height = image_request.size(context)
        layout.label(text=f"{width} x {height} pixels", icon="BLANK1")
        layout.prop(wishes, "as_strip")
        column = layout.column()
        column.active = wishes.as_strip
        column.prop(wishes, "strip_frames")
        column.prop(wishes, "fit")


def _draw_prompt(layout: UILayout, wishes: Any) -> None:
    column = layout.column(align=True)
    prompt_field(column, wishes, "prompt", "TEXT", "What to see")
    prompt_field(column, wishes, "negative_prompt", "CANCEL", "What to avoid")


def _draw_button(layout: UILayout, context: Context) -> None:
    column = layout.column()
    draw_obstacle(column, context, context.scene.movie_director.prompt, "Write what to see first")
    row = column.row()
    row.scale_y = 1.6
    row.operator_context = "INVOKE_DEFAULT"
    row.enabled = image_request.ready(context)
    row.operator("movie_director.generate_image", icon="RENDER_STILL")
