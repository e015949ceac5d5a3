"""The section "Gradio App", and its menus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpy.types import Menu

from ..blender.requests import endpoint_fields, endpoint_request
from ..blender.state import settings
from ..blender.state.presets import presets
from ..clients.registry import BACKENDS
from .job_list import draw_running
from .labels import MainSidebar, action_button, paragraph, prompt_field
from .request_fields import draw_obstacle
from .server_line import draw_server

if TYPE_CHECKING:
    from bpy.types import Context, UILayout

BACKEND = endpoint_request.BACKEND
ICONS: dict[str, Any] = {"image": "IMAGE_DATA", "video": "SEQUENCE", "audio": "SOUND", "text": "TEXT"}


class GradioApp(MainSidebar):
    """The app's address, what it is to do, and a field for each of its inputs."""

    bl_label = "Gradio App"

    def draw(self, context: Context) -> None:
        """Draw the address, the endpoint, its fields and the button."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        own: Any = context.scene.movie_director.gradio
        draw_server(layout, context, BACKEND)
        if not settings.preferences().demo_mode and not settings.environment_value(BACKEND, "URL"):
            row = settings.preferences().backends.gradio
            prompt_field(layout, row, "url", "URL", f"Its address: {BACKENDS[BACKEND].default_url}")
        _draw_endpoint(layout, context, own)
        if not own.endpoint:
            return
        for field in own.fields:
            _draw_field(layout, field)
        column = layout.column()
        missing = endpoint_fields.missing(own)
        draw_obstacle(column, context, "" if missing else own.endpoint, f"Fill in first: {', '.join(missing)}")
        ready = endpoint_request.ready(context)
        action_button(column, "movie_director.run_endpoint", "PLAY", enabled=ready, text=own.label)
        draw_running(layout, context, BACKEND)


class MOVIE_DIRECTOR_MT_endpoints(Menu):
    """What the app can do."""

    bl_idname = "MOVIE_DIRECTOR_MT_endpoints"
    bl_label = "Endpoints"

    def draw(self, _context: Context) -> None:
        """Draw each endpoint with the kind of its results."""
        for each in endpoint_request.schema()[1]:
            icon: Any = next((ICONS[media] for media in each.media if media in ICONS), "FILE")
            self.layout.operator("movie_director.choose_endpoint", text=each.label, icon=icon).endpoint = each.name


class MOVIE_DIRECTOR_MT_endpoint_presets(Menu):
    """The presets of the chosen endpoint."""

    bl_idname = "MOVIE_DIRECTOR_MT_endpoint_presets"
    bl_label = "Presets"

    def draw(self, context: Context) -> None:
        """Draw each preset, and the ways to keep one more and to forget one."""
        own: Any = context.scene.movie_director.gradio
        names = presets().names(own.app, own.endpoint)
        for name in names:
            self.layout.operator("movie_director.apply_preset", text=name, icon="PRESET").name = name
        self.layout.separator()
        self.layout.operator_context = "INVOKE_DEFAULT"
        self.layout.operator("movie_director.save_preset", text="Save...", icon="ADD")
        for name in names:
            self.layout.operator("movie_director.remove_preset", text=f"Remove {name}", icon="REMOVE").name = name


def _draw_endpoint(layout: UILayout, context: Context, own: Any) -> None:
    """Draw the menus of endpoints and presets; or that the app is to be asked first."""
    app, endpoints = endpoint_request.schema()
    row = layout.row(align=True)
    if endpoints:
        row.menu("MOVIE_DIRECTOR_MT_endpoints", text=own.label or "Choose what it does")
    elif own.endpoint:
        row.label(text=own.label, icon="CHECKMARK")
    if own.endpoint:
        row.menu("MOVIE_DIRECTOR_MT_endpoint_presets", text="", icon="PRESET")
    if not endpoints:
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("movie_director.test_connection", text="Ask What It Can Do", icon="QUESTION").backend = BACKEND
    if own.endpoint and endpoints and own.app != app:
        paragraph(layout, context, f"These fields are of {own.app}: choose again for {app}.", "ERROR", alert=True)


def _draw_field(layout: UILayout, field: Any) -> None:
    if endpoint_fields.is_file(field):
        _draw_file(layout, field)
        return
    value = f'["{endpoint_fields.VALUE}"]'
    if isinstance(field[endpoint_fields.VALUE], str):
        column = layout.column(align=True)
        column.label(text=field.label)
        column.prop(field, value, text="")
        return
    row = layout.row(align=True)
    if field.optional:
        row.prop(field, "given", text="")
    column = row.column(align=True)
    column.active = field.given or not field.optional
    if field.kind == endpoint_fields.CHOICE:
        column.label(text=field.label)
        column.prop(field, value, text="")
    else:
        column.prop(field, value, text=field.label, slider=field.slider)


def _draw_file(layout: UILayout, field: Any) -> None:
    column = layout.column(align=True)
    column.label(text=field.label)
    column.prop(field, "source", text="")
    if field.source == "FILE":
        column.prop(field, "path", text="")
    elif field.source == "IMAGE":
        column.prop(field, "image", text="")


MENUS = (MOVIE_DIRECTOR_MT_endpoints, MOVIE_DIRECTOR_MT_endpoint_presets)
