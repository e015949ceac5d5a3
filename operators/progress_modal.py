"""The modal half of an operator: progress in the status bar and Esc to cancel, while the user works on.

One operator follows all jobs. It lets go every few seconds and comes back a moment later, for Blender does not
auto-save as long as any modal operator runs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import bpy

from ..blender import commands
from ..blender.platform import formatting
from ..blender.pump import handlers
from ..blender.state import runtime_ref

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..runtime import JobView

TIMER_S = 0.1
PAUSE_EVERY_S = 20.0
PAUSE_S = 0.2


class ModalState:
    """The jobs whose progress the status bar shows, and which operator does that now."""

    def __init__(self) -> None:
        self.job_ids: list[str] = []
        self.follower: JobProgressModal | None = None
        self.shown = ""

    def views(self) -> list[JobView]:
        """Return the followed jobs that go on, newest first."""
        return [view for view in runtime_ref.jobs() if view.id in self.job_ids and not view.status.state.ended]

    def take_ended(self) -> list[JobView]:
        """Return the followed jobs that have ended, and follow them no more."""
        followed = [view for view in runtime_ref.jobs() if view.id in self.job_ids]
        self.job_ids = [view.id for view in followed if not view.status.state.ended]
        return [view for view in followed if view.status.state.ended]


modal_state = ModalState()


class JobProgressModal:
    """Mix-in of modal operators that follow jobs until the last has ended."""

    # no types beside these: Blender would look for them among its own names
    _timer = None
    _pause_at = 0.0

    def follow(self, context: Context, job_id: str | None = None) -> set[str]:
        """Start to follow, with ``job_id`` if given; what ``invoke`` returns."""
        if job_id is not None:
            modal_state.job_ids.append(job_id)
        if modal_state.follower is not None or context.window is None:
            return {"FINISHED"}
        modal_state.follower = self
        handlers.after_load(resume_following)
        self._pause_at = time.monotonic() + PAUSE_EVERY_S
        self._timer = context.window_manager.event_timer_add(TIMER_S, window=context.window)
        operator: Any = self
        context.window_manager.modal_handler_add(operator)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        """Show progress; Esc cancels the newest job; all else passes through to Blender."""
        going = modal_state.views()
        if event.type == "ESC" and event.value == "PRESS" and going and not _escape_is_blenders():
            self.cancel_newest(going)
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        self.report_failures()
        if not going:
            return self.leave(context)
        if time.monotonic() > self._pause_at:
            bpy.app.timers.register(resume_following, first_interval=PAUSE_S, persistent=True)
            return self.leave(context)
        show(context, going)
        return {"PASS_THROUGH"}

    def cancel_newest(self, going: list[JobView]) -> None:
        """Cancel the newest of the followed jobs and say so."""
        if commands.cancel(going[0].id):
            self.report({"INFO"}, f"Cancelled: {going[0].title}")  # type: ignore[attr-defined]

    def report_failures(self) -> None:
        """Tell the user of jobs that have failed meanwhile, for the panel may be closed."""
        for view in modal_state.take_ended():
            if view.status.error is not None:
                text = f"{view.title}: {formatting.error_text(view.status.error)}"
                self.report({"ERROR"}, text)  # type: ignore[attr-defined]

    def leave(self, context: Context) -> set[str]:
        """End this operator, not the jobs."""
        self.release(context)
        return {"FINISHED"}

    def cancel(self, context: Context) -> None:
        """Blender ends the operator, because another file is loaded or the window is closed; the jobs go on."""
        self.release(context)

    def release(self, context: Context) -> None:
        """Take back the timer and the status text."""
        if modal_state.follower is self:
            modal_state.follower = None
        timer, self._timer = self._timer, None
        if timer is not None:
            context.window_manager.event_timer_remove(timer)
        clear(context)


def _escape_is_blenders() -> bool:
    """Return True if Esc would end playback or a render now."""
    from ..blender.placing import placement

    return bool(placement.obstacle())


def show(context: Context, going: list[JobView]) -> None:
    """Write the newest job's progress into the status bar, if it has changed."""
    more = f", {len(going) - 1} more" if len(going) > 1 else ""
    text = f"{formatting.job_line(going[0])}{more}    Esc: cancel"
    if text != modal_state.shown and context.workspace is not None:
        modal_state.shown = text
        context.workspace.status_text_set(text)


def clear(context: Context) -> None:
    """Give the status bar back."""
    if modal_state.shown and context.workspace is not None:
        context.workspace.status_text_set(None)
    modal_state.shown = ""


def resume_following() -> None:
    """Follow again after a pause or another file; on Blender's timer or from a handler."""
    if bpy.app.background or modal_state.follower is not None or not modal_state.views():
        return
    windows = [window for manager in bpy.data.window_managers for window in manager.windows]
    if windows:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.movie_director.follow_jobs("INVOKE_DEFAULT")


def close() -> None:
    """Forget all jobs and the timer that would come back."""
    if bpy.app.timers.is_registered(resume_following):
        bpy.app.timers.unregister(resume_following)
    handlers.forget_after_load(resume_following)
    follower: Any = modal_state.follower
    if follower is not None:
        follower.release(bpy.context)
    modal_state.job_ids.clear()
