"""The section "Generate Image"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.requests import image_request
from .job_list import draw_running
from .labels import MainSidebar, Sidebar, action_button, prompt_field
from .request_fields import draw_obstacle, draw_seed, draw_shots, draw_start
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


class Image(MainSidebar):
    """The settings of the next picture, and the button."""

    bl_label = "Generate Image"

    def draw(self, context: Context) -> None:
        """Draw the fields in the order in which a film maker fills them."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        props = context.scene.movie_director
        draw_server(layout, context, image_request.BACKEND)
        draw_shots(layout, context, "IMAGE")
        _draw_prompt(layout, props)
        draw_start(layout, context, props)
        draw_seed(layout, props, "image")
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
        props = context.scene.movie_director
        layout.prop(props, "workflow")
        row = layout.row()
        row.active = not props.workflow  # one's own has steps of its own
        row.prop(props, "steps")
        layout.prop(props, "size_limit")
        width, height = image_request.size(context)
        layout.label(text=f"{width} x {height} pixels", icon="BLANK1")
        layout.prop(props, "as_strip")
        column = layout.column()
        column.active = props.as_strip
        column.prop(props, "strip_frames")
        column.prop(props, "fit")


def _draw_prompt(layout: UILayout, props: Any) -> None:
    column = layout.column(align=True)
    prompt_field(column, props, "prompt", "TEXT", "What to show")
    prompt_field(column, props, "negative_prompt", "CANCEL", "What to avoid")


def _draw_button(layout: UILayout, context: Context) -> None:
    column = layout.column()
    draw_obstacle(column, context, context.scene.movie_director.prompt, "Write a prompt first")
    action_button(column, "movie_director.generate_image", "RENDER_STILL", enabled=image_request.ready(context))
