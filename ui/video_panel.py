"""The section "Generate Video"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.requests import video_request
from .job_list import draw_running
from .labels import MainSidebar, Sidebar, action_button, paragraph, prompt_field
from .request_fields import draw_obstacle, draw_seed, draw_shots, draw_start
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


class Video(MainSidebar):
    """The settings of the next clip, and the button."""

    bl_label = "Generate Video"

    def draw(self, context: Context) -> None:
        """Draw the fields in the order in which a film maker fills them."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.video
        draw_server(layout, context, video_request.BACKEND)
        draw_shots(layout, context, "VIDEO")
        column = layout.column(align=True)
        prompt_field(column, own, "prompt", "TEXT", "What happens")
        prompt_field(column, own, "negative_prompt", "CANCEL", "What to avoid")
        layout.prop(own, "seconds")
        draw_start(layout, context, own)
        draw_seed(layout, own, "video")
        column = layout.column()
        draw_obstacle(column, context, own.prompt, "Describe the clip first")
        action_button(column, "movie_director.generate_video", "RENDER_ANIMATION", enabled=video_request.ready(context))
        draw_running(layout, context, video_request.BACKEND)


class VideoOptions(Sidebar):
    """What is set once for a film."""

    bl_label = "Options"

    def draw(self, context: Context) -> None:
        """Draw the model, the quality and the size."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.video
        row = layout.row(align=True)
        prompt_field(row, own, "model", "OUTLINER_OB_CAMERA", "Model: Wan 2.2 5B")
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("movie_director.test_connection", text="", icon="FILE_REFRESH").backend = video_request.BACKEND
        layout.row(align=True).prop(own, "quality", expand=True)
        layout.prop(own, "size_limit")
        width, height = video_request.size(context)
        paragraph(layout, context, f"{width} x {height} pixels, or the nearest size that the model accepts", "BLANK1")
