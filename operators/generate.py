"""Generate an image: the one operator that a film maker presses most."""

# No postponed annotations here: Blender reads the properties from them.

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Operator

from ..blender.platform.paths import PATH_OPTIONS
from ..blender.requests import image_request
from . import progress_modal
from .base import GenerateJob, NeedsFolder
from .progress_modal import JobProgressModal

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..clients.core.job import Job


class MOVIE_DIRECTOR_OT_generate_image(NeedsFolder, GenerateJob, Operator):
    """Generate an image with ComfyUI and put it into the film at the playhead"""

    bl_idname = "movie_director.generate_image"
    bl_label = "Generate Image"
    # not REGISTER: "Repeat Last" would run execute(), which blocks; the result pushes its own undo step
    bl_options = set()

    prompt: StringProperty(name="Prompt", description="What the picture should show")
    negative_prompt: StringProperty(name="Avoid", description="What the picture should not show")
    seed: StringProperty(name="Seed", description="0 to 18446744073709551615; empty: a new one")
    steps: IntProperty(name="Steps", min=1, max=1000, default=20)
    input_source: EnumProperty(
        name="Start From",
        items=(
            ("NONE", "Prompt", "From the prompt alone"),
            ("CAMERA", "Camera", "From the current view of the scene's camera"),
            ("FILE", "Image", "From an image file"),
        ),
    )
    input_image: StringProperty(
        name="Image", subtype="FILE_PATH", options=PATH_OPTIONS, description="The image to start from"
    )
    strength: FloatProperty(name="Change", min=0.0, max=1.0, default=0.6)
    workflow: StringProperty(
        name="Workflow", subtype="FILE_PATH", options=PATH_OPTIONS, description="Empty: a simple one is used"
    )
    as_strip: BoolProperty(name="Add Strip", default=True)
    shot: StringProperty(
        name="Shot", options={"HIDDEN", "SKIP_SAVE"}, description="The id of the placeholder strip to fill"
    )

    def start(self, context: "Context") -> "Job":
        """Submit the picture."""
        return image_request.submit_image(context, self.given(image_request.WISHES))


class MOVIE_DIRECTOR_OT_follow_jobs(JobProgressModal, Operator):
    """Show the progress of running jobs in the status bar; Esc cancels the newest"""

    bl_idname = "movie_director.follow_jobs"
    bl_label = "Follow Jobs"
    bl_options = {"INTERNAL"}

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Follow the jobs that are followed already."""
        return self.follow(context)


CLASSES: tuple[Any, ...] = (MOVIE_DIRECTOR_OT_generate_image, MOVIE_DIRECTOR_OT_follow_jobs)
_register, _unregister = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    """Add the operators."""
    _register()


def unregister() -> None:
    """Take them out, a running one too."""
    progress_modal.close()
    _unregister()
