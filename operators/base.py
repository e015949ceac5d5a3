"""The base of operators that start a job: modal for a user, blocking for scripts and ``blender -b``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..blender.platform.sigint import Interrupted
from ..blender.requests import image_request
from ..blender.state.ui_state import ui
from ..clients.core.errors import BackendError
from .blocking import wait_for_job
from .progress_modal import JobProgressModal
from .reporting import report_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bpy.types import Context, Event

    from ..clients.core.job import Job


class NeedsFolder:
    """Mix-in of operators whose results are files."""

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Return True if something can be generated now, else set a message with the way out."""
        obstacle = image_request.obstacle(context)
        if obstacle:
            operator: Any = cls
            operator.poll_message_set(obstacle)
        return not obstacle


class GenerateJob(JobProgressModal):
    """Mix-in of operators that start a job; they implement ``start``, which raises ``BackendError``."""

    def start(self, context: Context) -> Job:
        """Submit a request from the scene's settings, overruled by the operator's arguments."""
        raise AssertionError(f"{type(self).__name__} does not say what to start")

    def invoke(self, context: Context, _event: Event) -> set[str]:
        """Start the job and follow it while the user works on."""
        if bpy.app.background:
            return self.execute(context)
        try:
            job = self.start(context)
        except BackendError as error:
            return self.refuse(error)
        return self.follow(context, job.id)

    def execute(self, context: Context) -> set[str]:
        """Start the job and wait for its end and its place in the film, as scripts and ``blender -b`` need it."""
        try:
            job = self.start(context)
            wait_for_job(job)
        except BackendError as error:
            return self.refuse(error)
        except Interrupted:
            self.say("WARNING", "Cancelled by Ctrl-C.")
            return {"CANCELLED"}
        return self.report_placement(job)

    def refuse(self, error: BackendError) -> set[str]:
        """Tell of an error; what ``invoke`` and ``execute`` return then."""
        operator: Any = self
        return report_error(operator, error)

    def report_placement(self, job: Job) -> set[str]:
        """Say where the result is; a result that found no place is a failure, though its files are kept."""
        placement = ui.placements[job.id]
        files = ", ".join(str(artifact.path) for artifact in placement.result.artifacts)
        if placement.unplaced:
            self.say("ERROR", f"{placement.message} The files are kept: {files}" if files else placement.message)
            return {"CANCELLED"}
        self.say("INFO", f"{placement.message}: {files}" if files else placement.message)
        return {"FINISHED"}

    def given(self, names: Sequence[str]) -> dict[str, Any]:
        """Return those of the named properties that the operator was called with."""
        operator: Any = self
        return {name: getattr(self, name) for name in names if operator.properties.is_property_set(name)}

    def say(self, level: str, text: str) -> None:
        """Report to the user."""
        operator: Any = self
        operator.report({level}, text)
