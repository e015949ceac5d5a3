"""A scene's settings for sounds and voices."""

# No postponed annotations here: Blender reads the properties from them.

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import PropertyGroup

from ..platform.paths import PATH_OPTIONS
from . import search_choices

DEFAULT_SECONDS = 5.0
DEFAULT_EPOCHS = 100

SPEAKER_ITEMS = (
    ("AUTO", "Automatic", "The first that is available: the speech server, the RVC server, Piper, eSpeak NG"),
    ("RECORDING", "Recording", "A recording of you or an actor: the best reading"),
    ("SERVER", "Speech Server", "The server whose address is in the preferences, under RVC"),
    ("RVC_SERVER", "RVC Server", "The RVC server itself, if it has /v1/audio/speech"),
    ("PIPER", "Piper", "Natural; the program piper, with the voice file that is in the preferences, under RVC"),
    ("ESPEAK", "eSpeak NG", "Robotic, in a hundred languages; the program espeak-ng"),
    ("APPLIO", "Applio (online)", "Applio's own speech: Microsoft's online service gets the text"),
)


class MOVIE_DIRECTOR_PG_sound(PropertyGroup):
    """Settings of the next sound effect; saved with the scene."""

    prompt: StringProperty(name="Prompt", description="What should be heard", options={"TEXTEDIT_UPDATE"})
    negative_prompt: StringProperty(name="Avoid", description="What should not be heard")
    match_strip: BoolProperty(
        name="As Selected Strip",
        default=True,
        description="Start where the selected strip starts, and last as long; without one, start at the playhead",
    )
    seconds: FloatProperty(
        name="Length", default=DEFAULT_SECONDS, min=0.2, max=600.0, soft_max=30.0, subtype="TIME_ABSOLUTE"
    )
    seed: StringProperty(name="Seed", default="0", description="The same seed gives the same sound, 0 to 4294967295")
    lock_seed: BoolProperty(
        name="Lock Seed", description="Keep using this seed; unlocked, each sound gets a new one, which is shown here"
    )


class MOVIE_DIRECTOR_PG_voice(PropertyGroup):
    """Settings of the next line, conversion or training; saved with the scene."""

    text: StringProperty(name="Line", description="What should be said", options={"TEXTEDIT_UPDATE"})
    voice: StringProperty(
        name="Voice", search=search_choices.models("rvc"), description="One of the server's voices; type to see them"
    )
    speaker: EnumProperty(
        name="Read by", items=SPEAKER_ITEMS, description="Who reads the line before RVC changes the voice"
    )
    speaker_voice: StringProperty(
        name="Reader's Voice", description="The reader's own name of a voice; empty: its default voice"
    )
    take: StringProperty(
        name="Recording of the Line",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
        description="A recording of the line, read by you or an actor",
    )
    pitch: IntProperty(
        name="Pitch", min=-48, max=48, soft_min=-12, soft_max=12, description="Semitones; +12 makes a low voice high"
    )
    recording: StringProperty(
        name="Recording",
        subtype="FILE_PATH",
        options=PATH_OPTIONS,
        description="The file to convert; empty: the selected sound strip's",
    )
    new_voice: StringProperty(name="New Voice", description="Its name: letters, digits, - and _")
    samples: StringProperty(
        name="Samples",
        subtype="DIR_PATH",
        options=PATH_OPTIONS,
        description="A folder with recordings of the voice alone, ten minutes at best",
    )
    epochs: IntProperty(
        name="Epochs",
        default=DEFAULT_EPOCHS,
        min=1,
        max=10_000,
        description="More epochs come closer to the voice and take longer; 100 to 300 are usual",
    )
    shared_folder: StringProperty(
        name="Shared Folder",
        subtype="DIR_PATH",
        options=PATH_OPTIONS,
        description="For a server on another machine: a folder that both machines can open; the samples are "
        "copied there",
    )
    server_folder: StringProperty(
        name="On the Server", description="The path of that folder on the server, such as /mnt/samples or D:\\samples"
    )
    accept_terms: BoolProperty(
        name="Accept Applio's Terms",
        description="You have read Applio's terms of use and agree; Applio does not start without this",
    )
