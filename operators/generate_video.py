"""Generate a clip."""

# No postponed annotations here: Blender reads the properties from them.

from typing import TYPE_CHECKING

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty
from bpy.types import Operator

from ..blender.platform.paths import PATH_OPTIONS
from ..blender.properties.video import DEFAULT_SECONDS, QUALITY_ITEMS, START_ITEMS
from ..blender.requests import video_request
from .base import GenerateJob, NeedsFolder

if TYPE_CHECKING:
    from bpy.types import Context

    from ..clients.core.job import Job


class MOVIE_DIRECTOR_OT_generate_video(NeedsFolder, GenerateJob, Operator):
    """Generate a clip with Wan2GP and put it into the Sequencer at the playhead, its sound beside it"""

    bl_idname = "movie_director.generate_video"
    bl_label = "Generate Video"
    # not REGISTER: "Repeat Last" would run execute(), which blocks; the result pushes its own undo step
    bl_options = set()

    prompt: StringProperty(name="Prompt", description="What happens in the clip")
    negative_prompt: StringProperty(name="Avoid", description="What the clip should not show")
    model: StringProperty(name="Model", description="Empty: Wan 2.2 5B")
    seconds: FloatProperty(name="Length", min=0.2, max=600.0, default=DEFAULT_SECONDS, subtype="TIME_ABSOLUTE")
    quality: EnumProperty(name="Quality", items=QUALITY_ITEMS, default="standard")
    seed: StringProperty(name="Seed", description="0 to 999999999; empty: a new one")
    input_source: EnumProperty(name="Start From", items=START_ITEMS, default="NONE")
    input_image: StringProperty(
        name="Image", subtype="FILE_PATH", options=PATH_OPTIONS, description="The first frame of the clip"
    )
    shot: StringProperty(
        name="Shot", options={"HIDDEN", "SKIP_SAVE"}, description="The id of the placeholder strip to fill"
    )

    def start(self, context: "Context") -> "Job":
        """Submit the clip."""
        return video_request.submit_video(context, self.given(video_request.WISHES))


CLASSES = (MOVIE_DIRECTOR_OT_generate_video,)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
