"""A scene's settings for texts and shot lists."""

# No postponed annotations here: Blender reads the properties from them.

import bpy
from bpy.props import BoolProperty, EnumProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from . import search_choices

PRESET_ITEMS = (
    ("FREE", "Free", "As the prompt describes", "GREASEPENCIL", 0),
    ("SYNOPSIS", "Synopsis", "The whole story on half a page", "FILE_TEXT", 1),
    ("TREATMENT", "Treatment", "The story scene by scene", "FILE_TEXT", 2),
    ("SCENE", "Scene", "A scene in the form of a screenplay", "SCENE_DATA", 3),
    ("DIALOGUE", "Dialogue", "Names and their lines", "OUTLINER_OB_SPEAKER", 4),
    ("SHOT_LIST", "Shot List", "One numbered line a shot", "PRESET", 5),
)
CONTEXT_ITEMS = (
    ("NONE", "Prompt", "From the prompt alone"),
    ("SELECTION", "Selection", "From the prompt and the selection in the script"),
    ("TEXT", "Script", "From the prompt and the whole script"),
)
TIMELINE_ITEMS = (
    ("STRIPS", "Strips", "A coloured placeholder strip for each shot, from the playhead on", "SEQ_STRIP_DUPLICATE", 0),
    ("MARKERS", "Markers", "A marker at the start of each shot, from the playhead on", "MARKER_HLT", 1),
    ("BOTH", "Both", "Strips and markers", "NLA", 2),
    ("NONE", "Text Only", "The list as a text, nothing on the timeline", "TEXT", 3),
)


class MOVIE_DIRECTOR_PG_writing(PropertyGroup):
    """Settings of the next text; saved with the scene."""

    prompt: StringProperty(name="Prompt", description="What the text should be about", options={"TEXTEDIT_UPDATE"})
    preset: EnumProperty(name="Kind", items=PRESET_ITEMS, default="FREE", description="What kind of text to write")
    system: StringProperty(name="Instructions", description="Instructions besides the prompt: style, language, length")
    model: StringProperty(
        name="Model",
        search=search_choices.models("litellm"),
        description="Which of the server's models writes; empty: the one with the largest context window",
    )
    context: EnumProperty(name="From", items=CONTEXT_ITEMS, default="NONE", description="What the writer works from")
    script: PointerProperty(
        name="Script", type=bpy.types.Text, description="The text to work from; empty: the one in the text editor"
    )
    timeline: EnumProperty(
        name="Timeline", items=TIMELINE_ITEMS, default="STRIPS", description="What the shots become on the timeline"
    )
    selection_only: BoolProperty(name="Selection Only", description="Break down only the selection in the script")
