"""The list of jobs: progress and previews while they run, thumbnails and errors afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.placing import shots
from ..blender.placing.provenance import missing_parts
from ..blender.platform import formatting, pictures, sequencer
from ..blender.state import runtime_ref, settings
from ..blender.state.ui_state import PlacementState, ui
from ..clients.core.errors import ConnectionFailed, OutOfMemory, ProtocolError
from ..clients.registry import BACKENDS
from .labels import paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpy.types import Context, UILayout

    from ..blender.state.ui_state import Placement
    from ..clients.core.errors import BackendError
    from ..runtime import JobView

SHOWN = 6
PICTURE_SCALE = 6.0

ICONS: dict[str, Any] = {
    "queued": "SORTTIME",
    "running": "PLAY",
    "succeeded": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "CANCEL",
}


def draw(layout: UILayout, context: Context) -> None:
    """Draw the newest jobs, all that are under way among them, and the others on request."""
    views = runtime_ref.jobs()
    _draw_selected_strips(layout, context)
    _draw_recovery(layout, context)
    if not views:
        layout.label(text="Nothing generated yet", icon="INFO")
        return
    show_all = context.window_manager.movie_director.show_all_jobs
    shown = [view for number, view in enumerate(views) if show_all or number < SHOWN or not view.status.state.ended]
    for number, view in enumerate(shown):
        _draw_job(layout.box(), context, view, newest=number == 0)
    if len(views) > SHOWN:
        state = context.window_manager.movie_director
        layout.prop(state, "show_all_jobs", text=f"Show all {len(views)}", toggle=True, icon="PRESET")


def _draw_selected_strips(layout: UILayout, context: Context) -> None:
    """Draw what is missing of the results that the selected strips were made of."""
    for strip in sequencer.selected(sequencer.scene_of(context)):
        missing = missing_parts(strip)
        if missing:
            paragraph(layout, context, f"{strip.name}: {missing}", "ERROR", alert=True)


def draw_running(layout: UILayout, context: Context, backend: str) -> None:
    """Draw the job that a backend works on, where it was started; how many more wait is a line below."""
    views = [view for view in runtime_ref.jobs() if view.backend == backend and not view.status.state.ended]
    if not views:
        return
    running = [view for view in views if view.status.state.value == "running"]
    view = running[-1] if running else views[-1]
    box = layout.box()
    _draw_head(box, view)
    _draw_progress(box, context, view)
    if len(views) > 1:
        box.label(text=f"{len(views) - 1} more in the list of jobs", icon="BLANK1")


def _draw_recovery(layout: UILayout, context: Context) -> None:
    """Draw the outcome of the search for unfinished jobs, until the next job is started."""
    if ui.recovered == () and not ui.elsewhere:
        layout.label(text="No unfinished jobs were found", icon="INFO")
    if ui.elsewhere:
        text = f"Unfinished jobs belong to another server than the one in the preferences: {', '.join(ui.elsewhere)}"
        paragraph(layout, context, text, "INFO")


def server_answers(backend: str) -> bool:
    """Return True if one of a backend's jobs has reached the server that is set now."""
    return any(_was_reached(view) for view in _jobs_of_server(backend))


def _jobs_of_server(backend: str) -> Iterator[JobView]:
    """Yield the backend's jobs that were sent to the server that is set now, newest first."""
    server = settings.server_key(backend)
    return (view for view in runtime_ref.jobs() if view.backend == backend and view.tag.get("server") == server)


def _was_reached(view: JobView) -> bool:
    return view.status.progress is not None or view.status.state.value == "succeeded"


def newest_connection_error(backend: str) -> BackendError | None:
    """Return the error of the newest ended job on the server set now, if no server of this kind answered there."""
    for view in _jobs_of_server(backend):
        if view.status.state.ended:
            error = view.status.error
            return error if isinstance(error, ConnectionFailed) or _is_another_program(error) else None
    return None


def _is_another_program(error: BackendError | None) -> bool:
    """Return True for an error of a server of another kind, such as a web page at the address."""
    return isinstance(error, ProtocolError) and (error.code == "web_page" or error.code.startswith("not_"))


def _draw_job(box: UILayout, context: Context, view: JobView, *, newest: bool) -> None:
    placement = ui.placements.get(view.id)
    head = _draw_head(box, view)
    if not view.status.state.ended:
        _draw_progress(box, context, view)
        return
    _draw_buttons(head, view, placement)
    if view.status.error is not None:
        _draw_error(box, context, view)
    elif view.status.state.value == "cancelled":
        paragraph(box, context, formatting.status_text(view.status), "BLANK1")
    if placement is not None:
        _draw_result(box, context, placement, large=newest)


def _draw_head(box: UILayout, view: JobView) -> UILayout:
    head = box.row(align=True)
    head.label(text=view.title or view.backend, icon=ICONS[view.status.state.value])
    if not view.status.state.ended:
        head.operator("movie_director.cancel_job", text="", icon="X").job_id = view.id
    return head


def _draw_progress(box: UILayout, context: Context, view: JobView) -> None:
    status = view.status
    if status.state.value == "queued" or status.progress is None:
        box.label(text=formatting.status_text(status), icon="BLANK1")
    else:
        box.progress(factor=formatting.fraction(status), text=formatting.status_text(status))
    stream = ui.streams.get(view.id)
    if stream is not None and stream.tail:
        paragraph(box, context, f"...{stream.tail}", "BLANK1")
    icon = pictures.preview_icon(view.id)
    if icon:
        box.template_icon(icon_value=icon, scale=PICTURE_SCALE)


def _draw_buttons(row: UILayout, view: JobView, placement: Placement | None) -> None:
    if view.status.error is not None:
        row.operator("movie_director.copy_error", text="", icon="COPYDOWN").job_id = view.id
    if placement is not None and placement.settled:
        row.operator("movie_director.place_result", text="", icon="PASTEDOWN").job_id = view.id
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("movie_director.retry_job", text="", icon="FILE_REFRESH").job_id = view.id
    row.operator("movie_director.remove_job", text="", icon="X").job_id = view.id


def _draw_error(box: UILayout, context: Context, view: JobView) -> None:
    error = view.status.error
    if error is None:
        return
    paragraph(box, context, error.message, "BLANK1", alert=True)
    if error.hint:
        paragraph(box, context, error.hint, "BLANK1")
    info = BACKENDS.get(view.backend)
    if isinstance(error, OutOfMemory) and info is not None and info.frees_memory:
        _draw_memory(box, context, view.backend)


def _draw_memory(box: UILayout, context: Context, backend: str) -> None:
    answer = ui.memory.get(backend)
    row = box.row()
    row.enabled = answer is None or not answer.pending
    row.operator("movie_director.free_memory", icon="MEMORY").backend = backend
    if answer is not None and answer.error is not None:
        paragraph(box, context, formatting.error_text(answer.error), "BLANK1", alert=True)
    elif answer is not None and answer.done:
        paragraph(box, context, f"{BACKENDS[backend].label} will free its memory before the next job.", "INFO")


def _draw_places(box: UILayout, context: Context, placement: Placement) -> None:
    """Draw where an unplaced result can go: into its shot, if this film has it, or to the playhead."""
    if shots.is_in(sequencer.scene_of(context), placement.target.shot):
        button = box.operator("movie_director.place_result", text="Place in Its Shot", icon="SEQUENCE")
        button.job_id, button.in_shot = placement.job_id, True
    box.operator("movie_director.place_result", icon="PASTEDOWN").job_id = placement.job_id


def _draw_result(box: UILayout, context: Context, placement: Placement, *, large: bool) -> None:
    if placement.state in (PlacementState.OFFERED, PlacementState.FAILED):
        paragraph(box, context, placement.message, "INFO", alert=placement.state is PlacementState.FAILED)
        _draw_places(box, context, placement)
    elif placement.message:
        paragraph(box, context, placement.message, "BLANK1")
    for problem in placement.result.problems:
        paragraph(box, context, formatting.error_text(problem), "ERROR", alert=True)
    images = [artifact for artifact in placement.result.artifacts if artifact.kind == "image"]
    icons = [pictures.thumbnail_icon(artifact.path) for artifact in images]
    if large and any(icons):
        grid = box.grid_flow(columns=0, even_columns=True, align=True)
        for icon in icons:
            grid.template_icon(icon_value=icon, scale=PICTURE_SCALE)
