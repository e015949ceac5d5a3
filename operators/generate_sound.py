"""Sounds and voices: sound effects, spoken lines, converted recordings, new voices."""

# No postponed annotations here: Blender reads the properties from them.

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Operator

from ..blender.platform.paths import PATH_OPTIONS
from ..blender.properties.sound import DEFAULT_EPOCHS, DEFAULT_SECONDS, SPEAKER_ITEMS
from ..blender.requests import sound_request
from .base import GenerateJob, NeedsFolder

if TYPE_CHECKING:
    from bpy.types import Context

    from ..clients.core.job import Job

# Not REGISTER, any of them: "Repeat Last" would run execute(), which blocks; the result pushes its own undo step.


class MOVIE_DIRECTOR_OT_sound_effect(NeedsFolder, GenerateJob, Operator):
    """Generate a sound with AudioLDM, as long as the selected strip and in step with it, else at the playhead"""

    bl_idname = "movie_director.sound_effect"
    bl_label = "Sound Effect"
    bl_options = set()

    prompt: StringProperty(name="Prompt", description="What should be heard")
    negative_prompt: StringProperty(name="Avoid", description="What should not be heard")
    match_strip: BoolProperty(name="As Selected Strip", default=True)
    seconds: FloatProperty(
        name="Length",
        min=0.2,
        max=600.0,
        default=DEFAULT_SECONDS,
        subtype="TIME_ABSOLUTE",
        description="Empty: the selected strip's",
    )
    seed: StringProperty(name="Seed", description="0 to 4294967295; empty: a new one")
    shot: StringProperty(name="Shot", options={"HIDDEN", "SKIP_SAVE"})

    def start(self, context: "Context") -> "Job":
        """Submit the sound."""
        return sound_request.submit_sound(context, self.given(sound_request.SOUND_WISHES))


class MOVIE_DIRECTOR_OT_speak_line(NeedsFolder, GenerateJob, Operator):
    """Have a line spoken in one of RVC's voices, from where the selected strip begins, else at the playhead"""

    bl_idname = "movie_director.speak_line"
    bl_label = "Speak Line"
    bl_options = set()

    text: StringProperty(name="Line", description="What should be said")
    voice: StringProperty(name="Voice")
    speaker: EnumProperty(name="Read by", items=SPEAKER_ITEMS)
    speaker_voice: StringProperty(name="Reader's Voice")
    take: StringProperty(name="Recording of the Line", subtype="FILE_PATH", options=PATH_OPTIONS)
    pitch: IntProperty(name="Pitch", min=-48, max=48, description="Semitones")
    accept_terms: BoolProperty(name="Accept Applio's Terms")
    shot: StringProperty(name="Shot", options={"HIDDEN", "SKIP_SAVE"})

    def start(self, context: "Context") -> "Job":
        """Submit the line."""
        return sound_request.submit_line(context, self.given(sound_request.SPEAK_WISHES))


class MOVIE_DIRECTOR_OT_convert_recording(NeedsFolder, GenerateJob, Operator):
    """Give a recording another voice: that of the selected sound strip, and in step with it, or a file"""

    bl_idname = "movie_director.convert_recording"
    bl_label = "Convert Recording"
    bl_options = set()

    recording: StringProperty(
        name="Recording", subtype="FILE_PATH", options=PATH_OPTIONS, description="Empty: the selected sound strip's"
    )
    voice: StringProperty(name="Voice")
    pitch: IntProperty(name="Pitch", min=-48, max=48, description="Semitones")
    accept_terms: BoolProperty(name="Accept Applio's Terms")

    def start(self, context: "Context") -> "Job":
        """Submit the recording."""
        return sound_request.submit_conversion(context, self.given(sound_request.CONVERT_WISHES))


class MOVIE_DIRECTOR_OT_train_voice(NeedsFolder, GenerateJob, Operator):
    """Make a new voice from a folder of recordings; it takes the server a while, the film goes on meanwhile"""

    bl_idname = "movie_director.train_voice"
    bl_label = "Train Voice"
    bl_options = set()

    new_voice: StringProperty(name="New Voice", description="Its name: letters, digits, - and _")
    samples: StringProperty(
        name="Samples", subtype="DIR_PATH", options=PATH_OPTIONS, description="A folder with recordings"
    )
    epochs: IntProperty(name="Epochs", min=1, max=10_000, default=DEFAULT_EPOCHS)
    shared_folder: StringProperty(name="Shared Folder", subtype="DIR_PATH", options=PATH_OPTIONS)
    server_folder: StringProperty(name="On the Server")
    accept_terms: BoolProperty(name="Accept Applio's Terms")

    def start(self, context: "Context") -> "Job":
        """Submit the samples."""
        return sound_request.submit_training(context, self.given(sound_request.TRAIN_WISHES))


CLASSES: tuple[Any, ...] = (
    MOVIE_DIRECTOR_OT_sound_effect,
    MOVIE_DIRECTOR_OT_speak_line,
    MOVIE_DIRECTOR_OT_convert_recording,
    MOVIE_DIRECTOR_OT_train_voice,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
