"""Operators on a job of the list: cancel, retry, place, forget, copy its error."""

# No postponed annotations here: Blender reads the properties from them.

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Operator

from ..blender import commands
from ..blender.platform import formatting, sequencer
from ..blender.requests import image_request
from ..blender.state import runtime_ref
from ..blender.state.ui_state import Placement, PlacementState, ui
from ..clients.core.errors import BackendError, JobNotFound
from .blocking import wait_for_recovery
from .progress_modal import JobProgressModal
from .reporting import report_error

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..clients.core.job import Job
    from ..runtime import JobView


class JobOperator:
    """Mix-in of operators that act on one job; they implement ``act``, which may raise ``BackendError``."""

    job_id: StringProperty(name="Job", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: "Context") -> set[str]:
        """Act on the job, or report why not."""
        operator: Any = self
        try:
            result: set[str] = operator.act(context, self.view())
        except BackendError as error:
            return report_error(operator, error)
        return result

    def view(self) -> "JobView":
        """Return the job; ``JobNotFound`` if it is gone from the list."""
        for view in runtime_ref.jobs():
            if view.id == self.job_id:
                return view
        raise JobNotFound("That job is no longer in the list.")


class MOVIE_DIRECTOR_OT_cancel_job(JobOperator, Operator):
    """Cancel the job, here and on the server"""

    bl_idname = "movie_director.cancel_job"
    bl_label = "Cancel Job"
    bl_options = set()

    def act(self, _context: "Context", view: "JobView") -> set[str]:
        """Cancel at once; a worker tells the server."""
        if not commands.cancel(view.id):
            self.report({"INFO"}, "That job has ended already.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"Cancelled: {view.title}")
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_retry_job(JobOperator, JobProgressModal, Operator):
    """Send the same request once more"""

    bl_idname = "movie_director.retry_job"
    bl_label = "Try Again"
    bl_options = set()

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Submit the request anew and follow it."""
        try:
            job = self.start()
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"} if bpy.app.background else self.follow(context, job.id)

    def execute(self, _context: "Context") -> set[str]:
        """Submit the request anew and return at once."""
        try:
            self.start()
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}

    def start(self) -> "Job":
        """Submit the job's request again; raises the errors of ``submit``."""
        return image_request.resubmit(self.view())


class MOVIE_DIRECTOR_OT_place_result(JobOperator, Operator):
    """Put the result into the current scene, at the playhead"""

    bl_idname = "movie_director.place_result"
    bl_label = "Place Here"
    bl_options = set()

    in_shot: BoolProperty(
        name="In Its Shot", options={"SKIP_SAVE"}, description="Put the result where its shot is, not at the playhead"
    )

    @classmethod
    def poll(cls, _context: "Context") -> bool:
        """Return True if the film can be changed now."""
        from ..blender.placing import placement

        obstacle = placement.obstacle()
        if obstacle:
            cls.poll_message_set("Wait until rendering or playback has ended.")
        return not obstacle

    def execute(self, context: "Context") -> set[str]:
        """Place the result of the job, whatever scene asked for it."""
        from ..blender.placing import placement

        found = ui.placements.get(self.job_id)
        if found is None:
            return report_error(self, JobNotFound("That job has no result to place."))
        if found in ui.queue:
            ui.queue.remove(found)
        scene = sequencer.scene_of(context)
        if not self.in_shot:
            found.target = replace(found.target, shot="")
        placement.place_in(found, scene, scene.frame_current)
        ui.touch()
        return self.report_outcome(found)

    def report_outcome(self, found: Placement) -> set[str]:
        """Say what became of it."""
        if found.state is not PlacementState.PLACED:
            self.report({"ERROR"}, found.message)
            return {"CANCELLED"}
        self.report({"INFO"}, found.message)
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_remove_job(JobOperator, Operator):
    """Take the ended job out of the list; its files stay on disk"""

    bl_idname = "movie_director.remove_job"
    bl_label = "Remove from List"
    bl_options = set()

    def act(self, _context: "Context", view: "JobView") -> set[str]:
        """Forget the job."""
        if not view.status.state.ended:
            self.report({"WARNING"}, "The job is still under way; cancel it first.")
            return {"CANCELLED"}
        commands.forget(view.id)
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_clear_finished(Operator):
    """Take all ended jobs out of the list; their files stay on disk"""

    bl_idname = "movie_director.clear_finished"
    bl_label = "Clear Finished"
    bl_options = set()

    def execute(self, _context: "Context") -> set[str]:
        """Forget all jobs that have ended, but those whose result waits to be placed."""
        for view in runtime_ref.jobs():
            found = ui.placements.get(view.id)
            if view.status.state.ended and not (found and found.unplaced):
                commands.forget(view.id)
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_copy_error(JobOperator, Operator):
    """Copy all that is known about the error, for a bug report; it holds no keys"""

    bl_idname = "movie_director.copy_error"
    bl_label = "Copy Error Details"
    bl_options = set()

    def act(self, context: "Context", view: "JobView") -> set[str]:
        """Put the error into the clipboard."""
        context.window_manager.clipboard = formatting.error_details(view)
        self.report({"INFO"}, "Error details copied.")
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_recover_jobs(Operator):
    """Fetch the results of jobs that an earlier Blender left unfinished, where the server still has them"""

    bl_idname = "movie_director.recover_jobs"
    bl_label = "Recover Jobs"
    bl_options = set()

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Re-join them in the background; they appear in the list."""
        if bpy.app.background:
            return self.execute(context)
        try:
            commands.recover()
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}

    def execute(self, _context: "Context") -> set[str]:
        """Re-join them and say how many there are; their results come with the pump."""
        try:
            commands.recover()
        except BackendError as error:
            return report_error(self, error)
        count = len(wait_for_recovery())
        self.report({"INFO"}, f"Unfinished jobs found: {count}.")
        if ui.elsewhere:
            places = ", ".join(ui.elsewhere)
            self.report({"WARNING"}, f"More jobs belong to another server than the one in the preferences: {places}.")
        return {"FINISHED"}


CLASSES: tuple[Any, ...] = (
    MOVIE_DIRECTOR_OT_cancel_job,
    MOVIE_DIRECTOR_OT_retry_job,
    MOVIE_DIRECTOR_OT_place_result,
    MOVIE_DIRECTOR_OT_remove_job,
    MOVIE_DIRECTOR_OT_clear_finished,
    MOVIE_DIRECTOR_OT_copy_error,
    MOVIE_DIRECTOR_OT_recover_jobs,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
