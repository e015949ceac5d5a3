"""A scene's settings for clips."""

# No postponed annotations here: Blender reads the properties from them.

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import PropertyGroup

from ..platform.paths import PATH_OPTIONS
from . import search_choices

DEFAULT_SECONDS = 3.0
DEFAULT_SIZE_LIMIT = 832
START_ITEMS = (
    ("NONE", "Prompt", "From the prompt alone", "TEXT", 0),
    ("CAMERA", "Camera", "The first frame is the current view of the scene's camera", "CAMERA_DATA", 1),
    ("STRIPS", "Strip", "The first frame is the Sequencer's picture at the playhead", "SEQUENCE", 2),
    ("FILE", "Image", "The first frame is an image file", "IMAGE_DATA", 3),
)
QUALITY_ITEMS = (
    ("draft", "Draft", "Half the width and height, half the steps: for finding the shot"),
    ("standard", "Standard", "The model's recommended settings"),
    ("fine", "Fine", "More steps, for the final take"),
)


class MOVIE_DIRECTOR_PG_video(PropertyGroup):
    """Settings of the next clip; saved with the scene."""

    prompt: StringProperty(name="Prompt", description="What happens in the clip", options={"TEXTEDIT_UPDATE"})
    negative_prompt: StringProperty(name="Avoid", description="What the clip should not show")
    model: StringProperty(
        name="Model",
        search=search_choices.models("wan2gp"),
        description="One of Wan2GP's models; empty: Wan 2.2 5B, which takes a prompt and a first frame",
    )
    seconds: FloatProperty(
        name="Length",
        default=DEFAULT_SECONDS,
        min=0.2,
        max=600.0,
        soft_max=20.0,
        subtype="TIME_ABSOLUTE",
        description="How long the clip is; models allow only some lengths; the nearest is used",
    )
    size_limit: IntProperty(
        name="Longest Side",
        default=DEFAULT_SIZE_LIMIT,
        min=64,
        max=4096,
        subtype="PIXEL",
        description="Clips have the scene's shape, scaled down if their longer side exceeds this",
    )
    quality: EnumProperty(name="Quality", items=QUALITY_ITEMS, default="standard")
    input_source: EnumProperty(name="Start From", items=START_ITEMS, default="NONE")
    input_image: StringProperty(
        name="Image", subtype="FILE_PATH", options=PATH_OPTIONS, description="The first frame of the clip"
    )
    seed: StringProperty(name="Seed", default="0", description="The same seed gives the same clip, 0 to 999999999")
    lock_seed: BoolProperty(
        name="Lock Seed", description="Keep using this seed; unlocked, each clip gets a new one, which is shown here"
    )
