"""The settings that a scene keeps for its next results, and the panel's own. No state of jobs."""

# No postponed annotations here: Blender reads the properties from them.

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from ..platform.paths import PATH_OPTIONS
from .gradio_app import MOVIE_DIRECTOR_PG_gradio, MOVIE_DIRECTOR_PG_gradio_field
from .sound import MOVIE_DIRECTOR_PG_sound, MOVIE_DIRECTOR_PG_voice
from .video import MOVIE_DIRECTOR_PG_video
from .writing import MOVIE_DIRECTOR_PG_writing

DEFAULT_SIZE_LIMIT = 1920


class MOVIE_DIRECTOR_PG_scene(PropertyGroup):
    """Settings of the next results, those of pictures at the top; saved with the scene."""

    prompt: StringProperty(name="Prompt", description="What the picture should show", options={"TEXTEDIT_UPDATE"})
    negative_prompt: StringProperty(name="Avoid", description="What the picture should not show")
    seed: StringProperty(
        name="Seed",
        default="0",
        description="The start of the random numbers, 0 to 18446744073709551615; the same seed gives the same picture",
    )
    lock_seed: BoolProperty(
        name="Lock Seed", description="Keep using this seed; unlocked, each picture gets a new one, which is shown here"
    )
    steps: IntProperty(
        name="Steps",
        default=20,
        min=1,
        max=1000,
        soft_max=60,
        description="More steps give finer pictures and take longer. Your own workflow keeps its own number",
    )
    input_source: EnumProperty(
        name="Start From",
        items=(
            ("NONE", "Prompt", "From the prompt alone", "TEXT", 0),
            ("CAMERA", "Camera", "From the current view of the scene's camera", "CAMERA_DATA", 1),
            ("FILE", "Image", "From an image file", "IMAGE_DATA", 2),
        ),
        default="NONE",
    )
    input_image: StringProperty(
        name="Image", subtype="FILE_PATH", options=PATH_OPTIONS, description="The image to start from"
    )
    strength: bpy.props.FloatProperty(
        name="Change",
        default=0.6,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="How far the result may differ from the start image",
    )
    workflow: StringProperty(
        name="Workflow",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
        description="A workflow saved by ComfyUI, or a picture made by it; empty: a simple built-in workflow",
    )
    size_limit: IntProperty(
        name="Longest Side",
        default=DEFAULT_SIZE_LIMIT,
        min=64,
        max=8192,
        subtype="PIXEL",
        description="Pictures have the scene's size, scaled down if their longer side exceeds this",
    )
    as_strip: BoolProperty(
        name="Add Strip", default=True, description="Put the result into the Sequencer, at the playhead"
    )
    strip_frames: IntProperty(
        name="Frames", min=0, soft_max=1000, description="How long the strip is; 0: the preferences' strip length"
    )
    fit: EnumProperty(
        name="Fit",
        items=(
            ("FIT", "Fit", "The whole picture is visible"),
            ("FILL", "Fill", "The whole frame is covered"),
            ("STRETCH", "Stretch", "Stretched to the frame's shape"),
            ("ORIGINAL", "Original", "At its own size, pixel by pixel"),
        ),
        default="FIT",
    )
    writing: PointerProperty(type=MOVIE_DIRECTOR_PG_writing)
    video: PointerProperty(type=MOVIE_DIRECTOR_PG_video)
    sound: PointerProperty(type=MOVIE_DIRECTOR_PG_sound)
    voice: PointerProperty(type=MOVIE_DIRECTOR_PG_voice)
    gradio: PointerProperty(type=MOVIE_DIRECTOR_PG_gradio)


class MOVIE_DIRECTOR_PG_session(PropertyGroup):
    """What the panel shows; not saved."""

    show_all_jobs: BoolProperty(name="Show All", options={"SKIP_SAVE"})


CLASSES = (
    MOVIE_DIRECTOR_PG_writing,
    MOVIE_DIRECTOR_PG_video,
    MOVIE_DIRECTOR_PG_sound,
    MOVIE_DIRECTOR_PG_voice,
    MOVIE_DIRECTOR_PG_gradio_field,
    MOVIE_DIRECTOR_PG_gradio,
    MOVIE_DIRECTOR_PG_scene,
    MOVIE_DIRECTOR_PG_session,
)
_register, _unregister = bpy.utils.register_classes_factory(CLASSES)


def register() -> None:
    """Add ``scene.movie_director`` and ``window_manager.movie_director``."""
    _register()
    bpy.types.Scene.movie_director = PointerProperty(type=MOVIE_DIRECTOR_PG_scene)
    bpy.types.WindowManager.movie_director = PointerProperty(type=MOVIE_DIRECTOR_PG_session)


def unregister() -> None:
    """Take both out."""
    del bpy.types.WindowManager.movie_director
    del bpy.types.Scene.movie_director
    _unregister()
