"""Generate all selected shots at once, each from its own text and in its own place."""

# No postponed annotations here: Blender reads the properties from them.

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import EnumProperty
from bpy.types import Operator

from ..blender.placing import shots
from ..blender.platform import sequencer
from ..blender.platform.sigint import Interrupted
from ..blender.requests import image_request, sound_request, video_request
from ..clients.core.errors import BackendError, ValidationError
from . import progress_modal
from .blocking import wait_for_job
from .progress_modal import JobProgressModal
from .reporting import report_error

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..clients.core.job import Job

_WAYS: dict[str, tuple[Callable[[Any, dict[str, Any]], Any], str]] = {
    "IMAGE": (image_request.submit_image, "description"),
    "VIDEO": (video_request.submit_video, "description"),
    "SOUND": (sound_request.submit_sound, "sound"),
    "LINE": (sound_request.submit_line, "dialogue"),
}


class MOVIE_DIRECTOR_OT_generate_shots(JobProgressModal, Operator):
    """Generate each selected shot of the Sequencer from its own description, in the place of its placeholder"""

    bl_idname = "movie_director.generate_shots"
    bl_label = "Generate Shots"
    bl_options = set()

    kind: EnumProperty(
        name="What",
        items=(
            ("IMAGE", "Images", "A still for each shot"),
            ("VIDEO", "Clips", "A clip for each shot, as long as the shot"),
            ("SOUND", "Sounds", "The sound of each shot that describes one"),
            ("LINE", "Lines", "The dialogue of each shot that has one, in the scene's voice"),
        ),
        default="IMAGE",
    )

    @classmethod
    def poll(cls, context: "Context") -> bool:
        """Return True if selected shots can be generated now, else set a message with the way out."""
        obstacle = image_request.obstacle(context)
        if not obstacle and not shots.selected(sequencer.scene_of(context)):
            obstacle = "Select strips made from a shot list."
        if obstacle:
            cls.poll_message_set(obstacle)
        return not obstacle

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Queue them all and follow them."""
        if bpy.app.background:
            return self.execute(context)
        try:
            jobs = self.start(context)
        except BackendError as error:
            return report_error(self, error)
        progress_modal.modal_state.job_ids.extend(job.id for job in jobs)
        return self.follow(context)

    def execute(self, context: "Context") -> set[str]:
        """Queue them all and wait for the last; failures are reported and don't stop the others."""
        try:
            jobs = self.start(context)
        except BackendError as error:
            return report_error(self, error)
        failed = 0
        for job in jobs:
            try:
                wait_for_job(job)
            except BackendError as error:
                report_error(self, error)
                failed += 1
            except Interrupted:
                for each in jobs:
                    each.cancel()
                return {"CANCELLED"}
        return {"CANCELLED"} if failed else {"FINISHED"}

    def start(self, context: "Context") -> "list[Job]":
        """Submit a job for each selected shot that has the text for this kind."""
        submit, field = _WAYS[self.kind]
        chosen = [shot for _, shot in shots.selected(sequencer.scene_of(context)) if getattr(shot, field).strip()]
        if not chosen:
            raise ValidationError(
                f"None of the selected shots has a {field}.", code="no_prompt", hint="Select others, or write a prompt."
            )
        # several strips may show one shot: its placeholder, its result, its sound
        return [submit(context, {"shot": shot_id}) for shot_id in dict.fromkeys(shot.id for shot in chosen)]


CLASSES = (MOVIE_DIRECTOR_OT_generate_shots,)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
