"""The line above each button: the server, its last connection test, and demo mode for users without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.state import settings
from ..blender.state.ui_state import ui
from ..clients.registry import BACKENDS
from . import job_list
from .labels import paragraph

if TYPE_CHECKING:
    from bpy.types import Context, UILayout


def draw_server(layout: UILayout, context: Context, backend: str) -> None:
    """Draw the state of a backend's server."""
    if settings.preferences().demo_mode:
        row = layout.row()
        row.label(text=f"Demo mode: {BACKENDS[backend].demo_label}", icon="GHOST_ENABLED")
        row.operator("movie_director.demo_mode", text="", icon="X", emboss=False).enable = False
        return
    answer = ui.probe_of(backend, settings.server_key(backend))
    row = layout.row(align=True)
    error = answer.error if answer else job_list.newest_connection_error(backend)
    row.label(text=_server_line(backend, answer, error), icon=_server_icon(backend, answer, error))
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("movie_director.test_connection", text="", icon="FILE_REFRESH").backend = backend
    if error is not None:
        box = layout.box()
        paragraph(box, context, error.message, "ERROR", alert=True)
        paragraph(box, context, error.hint, "BLANK1")
        box.operator("movie_director.demo_mode", text="Turn on demo mode", icon="GHOST_ENABLED").enable = True
    elif answer is None and not job_list.server_answers(backend):
        layout.operator("movie_director.demo_mode", text="No server? Try demo mode", icon="GHOST_ENABLED").enable = True


def _server_line(backend: str, answer: Any, error: Any) -> str:
    label = BACKENDS[backend].label
    if error is not None:
        return f"{label}: no connection"
    if answer is None:
        return f"{label}: connected" if job_list.server_answers(backend) else f"{label}: not tested yet"
    if answer.pending:
        return f"{label}: testing the connection..."
    known = answer.info.version not in ("", "unknown")
    return f"{label} {answer.info.version}" if known else f"{label}: connected"


def _server_icon(backend: str, answer: Any, error: Any) -> Any:
    if error is not None:
        return "UNLINKED"
    if answer is None:
        return "CHECKMARK" if job_list.server_answers(backend) else "URL"
    return "SORTTIME" if answer.pending else "CHECKMARK"
